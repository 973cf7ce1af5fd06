#include "core/train/evaluator.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "core/data/batch_loader.h"
#include "core/job/job_memory.h"
#include "core/job/resolve_data.h"
#include "core/job/test_time.h"
#include "core/train/look_average.h"
#include "core/train/metrics.h"
#include "core/train/target_range.h"
#include "core/train/train.h"
#include "core/train/trained_model.h"

namespace traind::core {
namespace {

constexpr int64_t kMostClassesCounted = 1000;

// Of each class, how often it was the answer.
void CountAnswers(OutputMeaning meaning, const float* output, int64_t examples, int64_t outputs,
                  std::vector<int64_t>& counts) {
  for (int64_t i = 0; i < examples; ++i, output += outputs) {
    const int64_t answer = AnswerOf(meaning, output, outputs);
    if (answer >= 0) ++counts[answer];
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Evaluator>> Evaluator::Make(const Model& model, PlanOptions options, Split split,
                                                           const v1::JobSpec& spec, const InputPipeline& input) {
  auto views = input.LooksAt(split.example_shape(), spec.evaluation().test_time());
  if (!views.ok()) return views.status();
  options.batch = std::min(options.batch, split.size());
  options.training = false;
  options.sampling = spec.evaluation().test_time().dropout_samples() > 0;
  options.observe = false;
  options.loss = nullptr;
  auto plan = Plan::Make(*model.graph, *model.store, options);
  if (!plan.ok()) return plan.status();
  return std::unique_ptr<Evaluator>(new Evaluator(model, std::move(split), spec, input.preprocessor(),
                                                  *std::move(views), *std::move(plan), options.batch));
}

absl::StatusOr<v1::EvaluationMetrics> Evaluator::Run(const Progress& progress) {
  if (absl::Status status = plan_->RefreshParameters(); !status.ok()) return status;
  BatchLoader::Options options = BatchLoader::Evaluation(batch_, plan_->outputs());
  options.threads = PrefetchThreads(spec_.data());
  options.views = &views_;
  options.targets_are_input = spec_.data().targets() == v1::TARGET_SOURCE_INPUT;
  const int64_t outputs = plan_->outputs();
  const OutputMeaning meaning = loss_.output_meaning();
  options.binary = IsBinary(meaning, outputs);
  auto loader = BatchLoader::Start(split_, preprocessor_, options);
  if (!loader.ok()) return loader.status();
  const int64_t samples = SamplesOf(spec_.evaluation().test_time());
  const int64_t looks = views_.count() * samples;
  const bool labelled = split_.has_labels() && !options.targets_are_input;
  LookAverage average(meaning, looks, batch_, outputs);
  const auto more = Metrics::For({.meaning = meaning,
                                  .labels = labelled,
                                  .reconstructs = options.targets_are_input,
                                  .outputs = outputs,
                                  .examples = split_.size()});
  double loss = 0;
  double spread = 0;
  int64_t correct = 0;
  int64_t examples = 0;
  std::vector<int64_t> predicted(ClassesOf(meaning, outputs));
  while (const Batch* batch = (*loader)->Next()) {
    bool last = false;
    for (int64_t sample = 0; sample < samples; ++sample) {
      if (options.targets_are_input && batch->view * samples + sample == 0) {
        const absl::Status suits = CheckInputAsTargets(loss_, *batch, outputs);
        if (!suits.ok()) return suits;
      }
      const absl::Status status = plan_->Run({.examples = batch->examples,
                                              .count = batch->count,
                                              .step = static_cast<uint64_t>(batch->view * samples + sample)});
      if (!status.ok()) return status;
      last = average.Add(plan_->output(), batch->count);
    }
    progress(examples, split_.size());
    if (!last) continue;
    loss += loss_.Evaluate(average.output(), TargetsOf(*batch), batch->count, outputs);
    if (more != nullptr) more->Add(average.output(), TargetsOf(*batch), batch->count);
    if (batch->labels) {
      correct += CountCorrect(meaning, average.output(), batch->labels, batch->count, outputs);
      CountAnswers(meaning, average.output(), batch->count, outputs, predicted);
    }
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
  if (labelled) {
    metrics.set_accuracy(static_cast<double>(correct) / n);
    if (static_cast<int64_t>(predicted.size()) <= kMostClassesCounted)
      metrics.mutable_predicted()->Assign(predicted.begin(), predicted.end());
  }
  if (looks > 1) metrics.set_spread(spread / (n * static_cast<double>(outputs)));
  if (more != nullptr) more->Report(metrics);
  return metrics;
}

absl::StatusOr<Evaluator::ModeLosses> Evaluator::CompareModes(const Batch& batch, const float* output) {
  if (absl::Status status = plan_->RefreshParameters(); !status.ok()) return status;
  const int64_t outputs = plan_->outputs();
  const int64_t count = std::min(batch.count, batch_);
  const int64_t samples = SamplesOf(spec_.evaluation().test_time());
  LookAverage average(loss_.output_meaning(), samples, batch_, outputs);
  for (int64_t sample = 0; sample < samples; ++sample) {
    const absl::Status status =
        plan_->Run({.examples = batch.examples, .count = count, .step = static_cast<uint64_t>(sample)});
    if (!status.ok()) return status;
    average.Add(plan_->output(), count);
  }
  const auto n = static_cast<double>(count);
  return ModeLosses{.training = loss_.Evaluate(output, TargetsOf(batch), count, outputs) / n,
                    .test = loss_.Evaluate(average.output(), TargetsOf(batch), count, outputs) / n};
}

absl::StatusOr<v1::EvaluationMetrics> Evaluate(const InferenceRequest& request, const Progress& progress) {
  auto trained = TrainedModel::Make(request);
  if (!trained.ok()) return trained.status();
  auto split = OpenEvaluationSplit(request.dataset_dir, request.spec.data());
  if (!split.ok()) return split.status();
  if (absl::Status status = MatchWithModel(request, *split); !status.ok()) return status;
  auto evaluator = Evaluator::Make(trained->model, PlanOptionsFor(request.spec, {}), *std::move(split), request.spec,
                                   trained->input);
  if (!evaluator.ok()) return evaluator.status();
  const auto begins = [&] { progress(0, (*evaluator)->split().size()); };
  if (absl::Status status = (*evaluator)->Verify(begins); !status.ok()) return status;
  if (request.spec.data().targets() != v1::TARGET_SOURCE_INPUT) {
    const absl::Status status = CheckTargets(*trained->model.loss, (*evaluator)->split(), begins);
    if (!status.ok()) return status;
  }
  const auto loaded = LoadWeights(request.weights_path, *trained->model.store);
  if (!loaded.ok()) return loaded.status();
  return (*evaluator)->Run(progress);
}

}  // namespace traind::core
