#include "core/train/evaluator.h"

#include <algorithm>
#include <utility>

#include "core/data/batch_loader.h"
#include "core/job/resolve_data.h"
#include "core/job/test_time.h"
#include "core/train/look_average.h"

namespace traind::core {

absl::StatusOr<std::unique_ptr<Evaluator>> Evaluator::Make(const Model& model, PlanOptions options, Split split,
                                                           const v1::JobSpec& spec, const Preprocessor& preprocessor) {
  v1::TestTime test_time = spec.evaluation().test_time();
  FieldErrors::Root errors;  // A job's own was checked when it came; this is that of an EvaluateRequest.
  Views views =
      ResolveTestTime(&test_time, split.example_shape(), preprocessor.example_shape(), errors.scope("test_time"));
  if (!errors.ok()) return errors.ToStatus();
  options.batch = std::min(options.batch, split.size());
  options.training = false;
  options.sampling = test_time.dropout_samples() > 0;
  options.observe = false;
  options.loss = nullptr;
  auto plan = Plan::Make(*model.graph, *model.store, options);
  if (!plan.ok()) return plan.status();
  std::unique_ptr<Evaluator> evaluator(new Evaluator(model, std::move(split), spec, preprocessor, options.batch));
  evaluator->views_ = std::move(views);
  evaluator->samples_ = SamplesOf(test_time);
  evaluator->plan_ = *std::move(plan);
  return evaluator;
}

absl::StatusOr<v1::EvaluationMetrics> Evaluator::Run(const std::function<void()>& progress) {
  if (absl::Status status = plan_->RefreshParameters(); !status.ok()) return status;
  BatchLoader::Options options = BatchLoader::Evaluation(batch_);
  options.threads = PrefetchThreads(spec_.data());
  options.views = &views_;
  auto loader = BatchLoader::Start(split_, preprocessor_, options);
  if (!loader.ok()) return loader.status();
  const int64_t outputs = plan_->outputs();
  const int64_t looks = views_.count() * samples_;
  LookAverage average(spec_.loss(), looks, batch_, outputs);
  double loss = 0;
  double spread = 0;
  int64_t correct = 0;
  int64_t examples = 0;
  while (const Batch* batch = (*loader)->Next()) {
    bool last = false;
    for (int64_t sample = 0; sample < samples_; ++sample) {
      const absl::Status status = plan_->Run({.examples = batch->examples,
                                              .count = batch->count,
                                              .step = static_cast<uint64_t>(batch->view * samples_ + sample)});
      if (!status.ok()) return status;
      last = average.Add(plan_->output(), batch->count);
    }
    progress();
    if (!last) continue;
    loss += loss_.Compute(average.output(), TargetsOf(*batch), batch->count, outputs, nullptr);
    if (batch->labels) correct += CountCorrect(average.output(), batch->labels, batch->count, outputs);
    examples += batch->count;
    if (looks > 1) {
      for (float value : average.spread().first(batch->count * outputs)) spread += double{value};
    }
  }
  const auto n = static_cast<double>(examples);
  v1::EvaluationMetrics metrics;
  metrics.set_split(spec_.data().evaluation_split());
  metrics.set_examples(examples);
  metrics.set_loss(loss / n);
  if (split_.has_labels()) metrics.set_accuracy(static_cast<double>(correct) / n);
  if (looks > 1) metrics.set_spread(spread / (n * static_cast<double>(outputs)));
  return metrics;
}

}  // namespace traind::core
