// Loss and accuracy of a model on one split, in test mode, averaged over the looks of evaluation.test_time. Not
// thread-safe; splits its work by OpenMP.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/progress.h"
#include "core/data/batch_loader.h"
#include "core/data/input_pipeline.h"
#include "core/train/look_average.h"
#include "core/train/model.h"
#include "traind/v1/event.pb.h"
#include "traind/v1/job.pb.h"

namespace traind::core {

class Evaluator {
 public:
  // Plans inference over the model's store, for the labels or targets of `split`; everything must outlive the
  // evaluator. `spec` is the job's, resolved.
  static absl::StatusOr<std::unique_ptr<Evaluator>> Make(const Model& model, PlanOptions options, Split split,
                                                         const v1::JobSpec& spec, const InputPipeline& input);

  // Another network whose outputs are averaged with those of the first, as those of several looks are. Both outlive the
  // evaluator. INVALID_ARGUMENT: it looks at an example in more or fewer ways, or has other outputs.
  absl::Status AddMember(const Model& model, PlanOptions options, const InputPipeline& input);

  // Split::Verify of what is evaluated.
  absl::Status Verify(const std::function<void()>& progress) const { return split_.Verify(progress); }
  const Split& split() const { return split_; }
  // One pass over the split with the parameters as they are now. `progress` is in examples.
  absl::StatusOr<v1::EvaluationMetrics> Run(const Progress& progress) { return RunOn(split_, progress); }
  // The same over another split of the same dataset.
  absl::StatusOr<v1::EvaluationMetrics> RunOn(const Split& split, const Progress& progress);

  // Mean losses of one training minibatch in both modes, without label smoothing and penalties.
  struct ModeLosses {
    double training = 0;
    double test = 0;
  };
  // Of the first examples of `batch`, as many as a minibatch of the evaluation has, with the parameters as they are
  // now: `output` [batch.count, outputs] is what the network made of them in training mode with the same. One look at
  // each. Changes nothing that training reads.
  absl::StatusOr<ModeLosses> CompareModes(const Batch& batch, const float* output);

 private:
  Evaluator(const Model& model, Split split, const v1::JobSpec& spec, const Preprocessor& preprocessor, Views views,
            std::unique_ptr<Plan> plan, int64_t batch)
      : loss_(*model.loss),
        split_(std::move(split)),
        spec_(spec),
        preprocessor_(preprocessor),
        views_(std::move(views)),
        plan_(std::move(plan)),
        batch_(batch) {}

  // A further member of an ensemble.
  struct Companion {
    const Preprocessor& preprocessor;
    Views views;
    std::unique_ptr<Plan> plan;
  };

  // The outputs for a minibatch, `samples` times; whether the average is whole.
  absl::StatusOr<bool> Look(Plan& plan, const Batch& batch, int64_t samples, LookAverage& average) const;

  const Loss& loss_;
  const Split split_;
  const v1::JobSpec& spec_;
  const Preprocessor& preprocessor_;
  const Views views_;
  const std::unique_ptr<Plan> plan_;
  const int64_t batch_;
  std::vector<Companion> others_;
};

}  // namespace traind::core
