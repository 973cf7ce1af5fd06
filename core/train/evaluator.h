// Loss and accuracy of a model on one split, in test mode. Not thread-safe; splits its work by OpenMP.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "core/data/dataset_dir.h"
#include "core/data/preprocessing/preprocessor.h"
#include "core/train/model.h"
#include "traind/v1/event.pb.h"

namespace traind::core {

class Evaluator {
 public:
  // Plans inference over the model's store; everything must outlive the evaluator.
  static absl::StatusOr<std::unique_ptr<Evaluator>> Make(const Model& model, PlanOptions options, Split split,
                                                         std::string split_name, const Preprocessor& preprocessor);

  // One pass over the split with the parameters as they are now. `progress` is called after each batch.
  absl::StatusOr<v1::EvaluationMetrics> Run(const std::function<void()>& progress);

 private:
  Evaluator(Split split, std::string split_name, const Preprocessor& preprocessor, int64_t batch)
      : split_(std::move(split)), split_name_(std::move(split_name)), preprocessor_(preprocessor), batch_(batch) {}

  Split split_;
  const std::string split_name_;
  const Preprocessor& preprocessor_;
  const int64_t batch_;
  std::unique_ptr<Plan> plan_;
};

}  // namespace traind::core
