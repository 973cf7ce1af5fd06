// Running a job: the loop batch -> forward -> backward -> update -> observe, with evaluation, events and checkpoints at
// their cadences; and the three short tasks that need the engine but no training. Everything here runs in a worker
// process, one call at a time.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "core/base/progress.h"
#include "traind/v1/event.pb.h"
#include "traind/v1/job.pb.h"
#include "traind/v1/model_service.pb.h"
#include "traind/v1/training_service.pb.h"

namespace traind::core {

class ParameterStore;

// Where a running job says what happens. Called from the thread that called Train, but for Flush.
class EventSink {
 public:
  virtual ~EventSink() = default;
  // Takes an event without sequence and time. After a resume the events since the checkpoint come again, equal but for
  // `timing`.
  virtual void Emit(v1::Event event) = 0;
  // Blocks until everything emitted so far is durable: a checkpoint never stands before the events that led to it.
  // Called from another thread, too.
  virtual absl::Status Flush() = 0;
  // Says that step `step` is done, called after each one; and between steps, with the same number again, that something
  // which takes long goes on. Cheap.
  virtual void Heartbeat(uint64_t step) = 0;
  // Says what the run waits for, for people to see, until it says that it waits for nothing (empty).
  virtual void WaitsFor(absl::string_view what) = 0;
};

// What is wanted of a training that runs. Written by another thread; the newest wish counts. It is seen after the step
// under way.
enum class StopWish : uint8_t {
  kNone,
  kStop,    // Write a checkpoint and end as stopped.
  kFinish,  // End early and well: evaluate, write the last checkpoint, end as at the last step.
};
using StopSignal = std::atomic<StopWish>;

struct TrainRequest {
  std::string job;                             // "jobs/{id}"
  v1::JobSpec spec;                            // Resolved.
  std::vector<v1::LayerAlgorithm> algorithms;  // Of the job.
  std::string dataset_dir;                     // Folder of the dataset (core/data/dataset_dir.h).
  std::string checkpoint_dir;                  // Created if absent; resumes from its newest sound checkpoint.
  // "jobs/{id}/checkpoints/{step}" of another job, whose files are in checkpoint_dir to begin with (core/job/fork.h);
  // empty: none.
  std::string forked_from = "";
  std::string weights_path;             // safetensors for initial_weights; empty: initialize.
  std::string preprocessing_path = "";  // safetensors of the preprocessing that goes with them; empty: it is fitted.
  uint32_t threads = 1;
  // Of the dataset when the job was accepted: its splits must still be those. Nullopt: that is not known.
  std::optional<v1::DataIdentity> trained_on = std::nullopt;
  // max_train_examples and max_evaluation_examples are the first ones: of a job that was accepted before version 0.3.
  bool first_examples = false;
  // Between a step's gradients and its update: the gradients that it leaves in the store are clipped and applied, as
  // the sum over several workers would be. Called with the steps done before, from the thread of Train; an error ends
  // the run.
  std::function<absl::Status(uint64_t step, ParameterStore& store)> on_gradients = nullptr;
};

struct TrainResult {
  uint64_t step = 0;        // Steps done.
  bool stopped = false;     // StopWish::kStop ended it, a checkpoint of `step` is there.
  std::string reason = "";  // Why it ended before its last step, if it did and is not stopped.
};

// Trains to the end, or until early stopping or `stop` ends it. The last checkpoint of a training that is not stopped
// has the weights of the best evaluation, if early_stopping.restore_best says so. Failures: INVALID_ARGUMENT for
// weights that do not fit; DATA_LOSS for a dataset or checkpoint that is damaged; FAILED_PRECONDITION for a precision
// this CPU does not have, and for a dataset that is another one than `trained_on`; ABORTED when the loss, or anything
// else that is looked at, is no longer finite (the message names the step and the first layer or tensor).
absl::StatusOr<TrainResult> Train(const TrainRequest& request, EventSink& sink, const StopSignal& stop);

// Statistics at initialization. `request` is resolved; dataset_dir is read only for the data input.
absl::StatusOr<v1::ProbeNetworkResponse> Probe(const v1::ProbeNetworkRequest& request, const std::string& dataset_dir,
                                               uint32_t threads);

// A trained model at work: network, loss and preprocessing from the job's resolved spec.
struct InferenceRequest {
  v1::JobSpec spec;                // Resolved; its data says what evaluation reads.
  std::string dataset_dir;         // May be empty for Predict.
  std::string weights_path;        // safetensors.
  std::string preprocessing_path;  // safetensors of the fitted preprocessing; empty when the job has none.
  uint32_t threads = 1;
  // What the model was trained on; the data is matched with it (core/job/data_identity.h). Nullopt: that is not known.
  std::optional<v1::DataIdentity> trained_on = std::nullopt;
  std::function<void(const std::string& warning)> warn = [](const std::string&) {};  // Is told of what looks odd.
  // The members of an ensemble beside the network above: their outputs are averaged as those of several looks are.
  struct Network {
    v1::JobSpec spec;                // Resolved.
    std::string weights_path;        // safetensors.
    std::string preprocessing_path;  // As above.
  };
  std::vector<Network> others = {};
};
// Of the evaluation split, which DATA_LOSS refuses when it is not what was imported, and INVALID_ARGUMENT when the
// model cannot read it. `progress` is in examples.
absl::StatusOr<v1::EvaluationMetrics> Evaluate(
    const InferenceRequest& request, const Progress& progress = [](int64_t, int64_t) {});
// `input` is resolved (core/job/resolve_inference.h). INVALID_ARGUMENT: an image or a line that cannot be read, or an
// answer that would be too large.
absl::StatusOr<v1::PredictResponse> Predict(const InferenceRequest& request, const v1::PredictRequest& input);

// Takes the predictions of a split, part by part and in order. An error ends the work, which returns it.
using PredictionSink = std::function<absl::Status(const v1::PredictResponse& part)>;
// Of a split or a part of it, in parts below 1 MiB (of one example where that alone is more), which have equally many
// examples but for the last. `input` is resolved, `progress` in examples. DATA_LOSS: the split is not what was
// imported. The response lacks `operation` and `size_bytes`.
absl::StatusOr<v1::PredictSplitResponse> PredictSplit(
    const InferenceRequest& request, const v1::PredictSplitRequest& input, const PredictionSink& sink,
    const Progress& progress = [](int64_t, int64_t) {});

}  // namespace traind::core
