// Batches for the step loop, made by threads of its own while the steps before run: augmentation (training) or the
// looks of test time, preprocessing, blending. Each thread makes whole batches, alone and without OpenMP: the training
// threads are busy. How many threads there are changes no bit of a batch. Nothing is allocated per step. Used by one
// thread.
#pragma once

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "core/data/augmentation/augmenter.h"
#include "core/data/augmentation/views.h"
#include "core/data/dataset_dir.h"
#include "core/data/preprocessing/preprocessor.h"
#include "core/tensor/targets.h"

namespace traind::core {

struct Batch {
  const float* examples = nullptr;  // [batch, ...] row-major, 64-byte aligned, preprocessed.
  // [batch]; null where the split has float targets. Of a blended example the label that has the largest share.
  const int32_t* labels = nullptr;
  // What the loss takes instead of the labels: [batch, target_width] row-major where the split has float targets, the
  // soft labels [batch, outputs] of blended examples, or the examples themselves (Options::targets_are_input); else
  // null.
  const float* targets = nullptr;
  int64_t count = 0;  // Examples that are real; zeros (and label 0) fill the rest.
  uint64_t step = 0;  // From 0.
  uint64_t epoch = 0;
  int64_t view = 0;    // With Options::views: which look at the examples this is.
  bool finite = true;  // All the examples are: no infinity and no NaN came of the preprocessing.
};

// What the loss compares with.
inline Targets TargetsOf(const Batch& batch) {
  if (batch.targets != nullptr) return {.values = batch.targets};
  return {.labels = batch.labels};
}

class BatchLoader {
 public:
  static constexpr int64_t kMaxThreads = 64;
  struct Options {
    int64_t batch = 0;     // 1 to kMaxExamples.
    int64_t threads = 1;   // 1 to kMaxThreads.
    bool shuffled = true;  // Else as stored.
    uint64_t seed = 0;
    bool keep_partial = false;             // One pass over all examples, the last batch filled up; for evaluation.
    bool keep_last = false;                // In training: the last, smaller batch of an epoch is one, too.
    bool targets_are_input = false;        // Each example is its own target; the split's are not read.
    uint64_t first_step = 0;               // Steps done before: where a resume goes on.
    uint64_t end_step = 0;                 // One past the last; with keep_partial the end of the pass instead.
    const Augmenter* augmenter = nullptr;  // Of training.
    int64_t outputs = 0;                   // Of the network: labels are below it, where there are any; or
    bool binary = false;                   // its one output tells two classes apart.
    const Views* views = nullptr;  // With keep_partial: each batch comes once for each look, one after the other.
  };
  // As stored, each example once.
  static Options Evaluation(int64_t batch, int64_t outputs) {
    return {.batch = batch, .shuffled = false, .keep_partial = true, .outputs = outputs};
  }
  // The most batches that it has memory for: two more than threads, and one for each thread to blend into.
  static constexpr int64_t BatchesInFlight(int64_t threads) { return 2 * threads + 2; }

  // All arguments, and what the options point to, outlive the loader. FAILED_PRECONDITION when they do not fit
  // together; INVALID_ARGUMENT when the batch is larger than the split and partial batches are dropped;
  // RESOURCE_EXHAUSTED without memory or threads.
  static absl::StatusOr<std::unique_ptr<BatchLoader>> Start(const Split& split, const Preprocessor& preprocessor,
                                                            const Options& options);
  ~BatchLoader();

  // The next batch, valid until the next call; null after the last.
  const Batch* Next();

 private:
  struct State;
  explicit BatchLoader(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

}  // namespace traind::core
