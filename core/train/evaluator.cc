#include "core/train/evaluator.h"

#include <utility>

#include "core/data/batch_loader.h"

namespace traind::core {

absl::StatusOr<std::unique_ptr<Evaluator>> Evaluator::Make(const Model& model, PlanOptions options, Split split,
                                                           std::string split_name, const Preprocessor& preprocessor) {
  options.batch = std::min(options.batch, split.size());
  options.training = false;
  options.observe = false;
  options.loss = model.loss.get();
  auto plan = Plan::Make(*model.graph, *model.store, options);
  if (!plan.ok()) return plan.status();
  std::unique_ptr<Evaluator> evaluator(
      new Evaluator(std::move(split), std::move(split_name), preprocessor, options.batch));
  evaluator->plan_ = *std::move(plan);
  return evaluator;
}

absl::StatusOr<v1::EvaluationMetrics> Evaluator::Run(const std::function<void()>& progress) {
  if (absl::Status status = plan_->RefreshParameters(); !status.ok()) return status;
  auto loader = BatchLoader::Start(split_, preprocessor_, BatchLoader::Evaluation(batch_));
  if (!loader.ok()) return loader.status();
  double loss = 0;
  int64_t correct = 0;
  int64_t examples = 0;
  while (const Batch* batch = (*loader)->Next()) {
    const absl::Status status = plan_->Run({.examples = batch->examples,
                                            .targets = {.labels = batch->labels, .values = batch->targets},
                                            .count = batch->count});
    if (!status.ok()) return status;
    loss += plan_->loss_sum();
    if (batch->labels) correct += CountCorrect(plan_->output(), batch->labels, batch->count, plan_->outputs());
    examples += batch->count;
    progress();
  }
  v1::EvaluationMetrics metrics;
  metrics.set_split(split_name_);
  metrics.set_examples(examples);
  metrics.set_loss(loss / static_cast<double>(examples));
  if (split_.has_labels()) metrics.set_accuracy(static_cast<double>(correct) / static_cast<double>(examples));
  return metrics;
}

}  // namespace traind::core
