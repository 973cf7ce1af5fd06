#include "core/train/evaluator.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/data/batch_loader.h"
#include "core/data/held_out.h"
#include "core/job/job_memory.h"
#include "core/job/resolve_data.h"
#include "core/job/test_time.h"
#include "core/train/look_average.h"
#include "core/train/members.h"
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

absl::Status Evaluator::AddMember(const Model& model, PlanOptions options, const InputPipeline& input) {
  auto views = input.LooksAt(split_.example_shape(), spec_.evaluation().test_time());
  if (!views.ok()) return views.status();
  options.batch = batch_;
  options.sampling = spec_.evaluation().test_time().dropout_samples() > 0;
  auto plan = Plan::Make(*model.graph, *model.store, options);
  if (!plan.ok()) return plan.status();
  if (views->count() != views_.count() || (*plan)->outputs() != plan_->outputs()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "member ", others_.size() + 1, " of the ensemble has ", (*plan)->outputs(), " outputs and looks at an example ",
        "in ", views->count(), " ways, the first ", plan_->outputs(), " and ", views_.count()));
  }
  others_.push_back({.preprocessor = input.preprocessor(), .views = *std::move(views), .plan = *std::move(plan)});
  return absl::OkStatus();
}

absl::StatusOr<bool> Evaluator::Look(Plan& plan, const Batch& batch, int64_t samples, LookAverage& average) const {
  bool last = false;
  for (int64_t sample = 0; sample < samples; ++sample) {
    const absl::Status status = plan.Run({.examples = batch.examples,
                                          .count = batch.count,
                                          .step = static_cast<uint64_t>(batch.view * samples + sample)});
    if (!status.ok()) return status;
    last = average.Add(plan.output(), batch.count);
  }
  return last;
}

absl::StatusOr<v1::EvaluationMetrics> Evaluator::RunOn(const Split& split, const Progress& progress) {
  if (absl::Status status = plan_->RefreshParameters(); !status.ok()) return status;
  BatchLoader::Options options = BatchLoader::Evaluation(batch_, plan_->outputs());
  options.threads = PrefetchThreads(spec_.data());
  options.views = &views_;
  options.targets_are_input = spec_.data().targets() == v1::TARGET_SOURCE_INPUT;
  const int64_t outputs = plan_->outputs();
  const OutputMeaning meaning = loss_.output_meaning();
  options.binary = IsBinary(meaning, outputs);
  auto loader = BatchLoader::Start(split, preprocessor_, options);
  if (!loader.ok()) return loader.status();
  std::vector<std::unique_ptr<BatchLoader>> for_others;  // Of the same examples.
  for (const Companion& other : others_) {
    if (absl::Status status = other.plan->RefreshParameters(); !status.ok()) return status;
    BatchLoader::Options own = options;
    own.views = &other.views;
    auto started = BatchLoader::Start(split, other.preprocessor, own);
    if (!started.ok()) return started.status();
    for_others.push_back(*std::move(started));
  }
  const int64_t samples = SamplesOf(spec_.evaluation().test_time());
  const int64_t looks = views_.count() * samples * static_cast<int64_t>(1 + others_.size());
  const bool labelled = split.has_labels() && !options.targets_are_input;
  LookAverage average(meaning, looks, batch_, outputs);
  const auto more = Metrics::For({.meaning = meaning,
                                  .labels = labelled,
                                  .reconstructs = options.targets_are_input,
                                  .outputs = outputs,
                                  .examples = split.size()});
  double loss = 0;
  double spread = 0;
  int64_t correct = 0;
  int64_t examples = 0;
  std::vector<int64_t> predicted(ClassesOf(meaning, outputs));
  while (const Batch* batch = (*loader)->Next()) {
    if (options.targets_are_input && batch->view == 0) {
      const absl::Status suits = CheckInputAsTargets(loss_, *batch, outputs);
      if (!suits.ok()) return suits;
    }
    auto whole = Look(*plan_, *batch, samples, average);
    for (size_t i = 0; whole.ok() && i < others_.size(); ++i) {
      const Batch* const same = for_others[i]->Next();
      if (same == nullptr) return absl::InternalError("a member of the ensemble has fewer minibatches");
      whole = Look(*others_[i].plan, *same, samples, average);
    }
    if (!whole.ok()) return whole.status();
    progress(examples, split.size());
    if (!*whole) continue;
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
  metrics.set_split(split.called());
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
  std::vector<std::unique_ptr<TrainedModel>> others;  // Outlive the evaluator.
  auto trained = TrainedModel::Make(request);
  if (!trained.ok()) return trained.status();
  auto split = OpenEvaluationSplit(request.dataset_dir, request.spec.data());
  if (!split.ok()) return split.status();
  if (absl::Status status = MatchWithModel(request, *split); !status.ok()) return status;
  const v1::DataSpec& data = request.spec.data();
  if (HoldsOut(data) && data.evaluation_split() == data.train_split()) {
    request.warn(absl::StrCat("\"", data.train_split(), "\" has the examples that the model was trained on and those ",
                              "that were held out; \"", kHeldOutName, "\" has the latter alone"));
  }
  PlanOptions options = PlanOptionsFor(request.spec, {});
  // No more at once than any of the jobs was admitted with.
  for (const auto& other : request.others) options.batch = std::min<int64_t>(options.batch, other.spec.batch_size());
  auto evaluator = Evaluator::Make(trained->model, options, *std::move(split), request.spec, trained->input);
  if (!evaluator.ok()) return evaluator.status();
  const auto begins = [&] { progress(0, (*evaluator)->split().size()); };
  if (absl::Status status = (*evaluator)->Verify(begins); !status.ok()) return status;
  if (request.spec.data().targets() != v1::TARGET_SOURCE_INPUT) {
    const absl::Status status = CheckTargets(*trained->model.loss, (*evaluator)->split(), begins);
    if (!status.ok()) return status;
  }
  const auto loaded = LoadWeights(request.weights_path, *trained->model.store);
  if (!loaded.ok()) return loaded.status();
  for (const InferenceRequest::Network& network : request.others) {
    const InferenceRequest alone = RequestOf(request, network);
    auto made = TrainedModel::Make(alone);
    if (!made.ok()) return made.status();
    const TrainedModel& other = *others.emplace_back(std::make_unique<TrainedModel>(*std::move(made)));
    absl::Status status = (*evaluator)->AddMember(other.model, PlanOptionsFor(alone.spec, {}), other.input);
    if (status.ok()) status = LoadWeights(alone.weights_path, *other.model.store).status();
    if (!status.ok()) return status;
  }
  return (*evaluator)->Run(progress);
}

}  // namespace traind::core
