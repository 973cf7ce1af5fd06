// What a run looks at beside its minibatches: the evaluation split, by which it chooses; the test split, by which it
// does not; and the running means of its own loss and accuracy.
#include <cmath>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "core/base/evaluation_metric.h"
#include "core/base/listing.h"
#include "core/data/held_out.h"
#include "core/insight/facts.h"
#include "core/job/resolve_splits.h"
#include "core/train/trained_model.h"
#include "core/train/trainer.h"

namespace traind::core {
namespace {

constexpr size_t kClassesListed = 10;

// Whether training computes something else than a test, besides other draws of what is random in both.
bool ModesDiffer(const Graph& graph) {
  return absl::c_any_of(graph.nodes(), [](const Node& node) {
    const LayerTraits traits = TraitsOf(node);
    return traits.normalizes_over_batch || (traits.purpose.has_value() && !traits.random_in_inference);
  });
}

// The classes that `split` has no example of and `other` has.
std::vector<std::string> ClassesOnlyIn(const Split& other, const Split& split,
                                       const std::optional<v1::DataIdentity>& data) {
  std::vector<int64_t> here(static_cast<size_t>(split.num_classes())), there(here.size());
  for (const int32_t label : split.labels()) ++here[static_cast<size_t>(label)];
  for (const int32_t label : other.labels()) ++there[static_cast<size_t>(label)];
  std::vector<std::string> classes;
  for (size_t c = 0; c < here.size(); ++c) {
    if (here[c] > 0 || there[c] == 0) continue;
    const bool named = data.has_value() && c < static_cast<size_t>(data->class_names_size());
    classes.push_back(named ? data->class_names(static_cast<int>(c)) : absl::StrCat(c));
  }
  return classes;
}

}  // namespace

absl::Status Trainer::PrepareEvaluation(const PlanOptions& options, Limit limit) {
  const v1::DataSpec& data = spec_.data();
  has_evaluation_ = Evaluates(data);
  if (Tests(data)) {
    auto test = OpenTestSplit(request_.dataset_dir, data);
    if (!test.ok()) return test.status();
    test_ = *std::move(test);
  }
  if (!has_evaluation_ && !test_.has_value()) return absl::OkStatus();
  auto split = has_evaluation_ ? OpenEvaluationSplit(request_.dataset_dir, data, limit)
                               : OpenTestSplit(request_.dataset_dir, data);
  if (!split.ok()) return split.status();
  auto evaluator = Evaluator::Make(model_, options, *std::move(split), spec_, *input_);
  if (!evaluator.ok()) return evaluator.status();
  evaluator_ = *std::move(evaluator);
  modes_differ_ = has_evaluation_ && ModesDiffer(*model_.graph);
  return absl::OkStatus();
}

void Trainer::ReportHeldOut() {
  const v1::DataSpec& data = spec_.data();
  if (!HoldsOut(data)) return;
  const Split &train = input_->split(), &held_out = evaluator_->split();
  const std::string how =
      data.has_folds()
          ? absl::StrCat("part ", data.folds().index(), " of ", data.folds().count(), ", seed ", data.folds().seed())
          : absl::StrCat(data.validation_fraction(), " of it, seed ", data.validation_seed());
  EmitLog(v1::LogLine::LEVEL_INFO,
          absl::StrCat(held_out.size(), " examples of the split \"", train.split_name(), "\" are held out (", how,
                       ") and evaluated as \"", kHeldOutName, "\"; ", train.size(), " are trained on"));
  if (!train.has_labels()) return;
  const auto missing = [&](const Split& other, const Split& split, absl::string_view what) {
    const std::vector<std::string> classes = ClassesOnlyIn(other, split, trained_on_);
    if (classes.empty()) return;
    EmitLog(v1::LogLine::LEVEL_WARNING, absl::StrCat(what, Listing(classes, kClassesListed)));
  };
  missing(held_out, train, "all examples of these classes are held out, so that they cannot be learned: ");
  missing(train, held_out, "no example of these classes is held out, so that no evaluation tells of them: ");
}

// --- The evaluation split.

absl::Status Trainer::CompareModes(const Batch& batch) {
  auto modes = evaluator_->CompareModes(batch, ran_->output());
  if (!modes.ok()) return modes.status();
  modes_ = *modes;
  return absl::OkStatus();
}

bool Trainer::IsByLoss() const {
  const std::string& metric = spec_.checkpoint().best_metric();
  return metric.empty() || metric == "loss";
}

std::optional<double> Trainer::BestSoFar() const {
  if (IsByLoss()) return manifest_.best_evaluation_loss();
  return manifest_.has_best_value() ? std::optional(manifest_.best_value()) : std::nullopt;
}

absl::Status Trainer::Evaluate() {
  auto metrics = EvaluateWeights(evaluator_->split());
  if (!metrics.ok()) return metrics.status();
  const std::string& metric = spec_.checkpoint().best_metric();
  const std::optional<double> value = MetricOf(*metrics, metric);
  metrics->set_best(IsBetter(metric, value, BestSoFar()));
  if (!metric.empty()) {  // Jobs before version 0.3 do not say it.
    metrics->set_best_metric(metric);
    if (value.has_value()) metrics->set_best_metric_value(*value);
  }
  if (metrics->best()) {
    manifest_.set_best_evaluation_loss(metrics->loss());
    manifest_.set_best_step(step_);
    if (!IsByLoss()) manifest_.set_best_value(*value);
  }
  manifest_.set_evaluation_loss(metrics->loss());
  if (metrics->has_accuracy()) manifest_.set_evaluation_accuracy(metrics->accuracy());
  manifest_.clear_evaluation_value();
  if (!IsByLoss() && value.has_value()) manifest_.set_evaluation_value(*value);
  evaluated_step_ = step_;
  if (modes_.has_value()) {
    metrics->set_minibatch_train_mode_loss(modes_->training);
    metrics->set_minibatch_test_mode_loss(modes_->test);
    modes_.reset();
  }
  v1::Event event = NewEvent();
  *event.mutable_evaluation() = *std::move(metrics);
  sink_.Emit(std::move(event));
  return absl::OkStatus();
}

// --- The test split.

absl::Status Trainer::TestAtStep() {
  if (!test_.has_value() || tested_step_ == step_) return absl::OkStatus();
  auto metrics = EvaluateWeights(*test_);
  tested_step_ = step_;
  if (!metrics.ok()) return WithoutTest(metrics.status());
  EmitTest(*std::move(metrics));
  return absl::OkStatus();
}

// A trained network is not lost for test examples that the loss cannot compare, which only an autoencoder finds here:
// targets were checked at the start.
absl::Status Trainer::WithoutTest(const absl::Status& status) {
  if (!absl::IsInvalidArgument(status)) return status;
  EmitLog(v1::LogLine::LEVEL_WARNING,
          absl::StrCat("not tested on the split \"", test_->called(), "\" (data.test_split): ", status.message()));
  return absl::OkStatus();
}

absl::Status Trainer::TestInTheEnd() {
  if (!test_.has_value()) return absl::OkStatus();
  if (!restored_step_.has_value()) return TestAtStep();
  auto last = FindCheckpoint(request_.checkpoint_dir, absl::StrCat(step_));
  if (!last.ok()) return last.status();
  const auto loaded = LoadWeights(last->weights_path(), *model_.store);
  if (!loaded.ok()) return loaded.status();
  auto metrics = evaluator_->RunOn(*test_, [this](int64_t, int64_t) { sink_.Heartbeat(step_); });
  if (!metrics.ok()) return WithoutTest(metrics.status());
  metrics->set_weights_step(*restored_step_);
  EmitTest(*std::move(metrics));
  return absl::OkStatus();
}

void Trainer::EmitTest(v1::EvaluationMetrics metrics) {
  v1::Event event = NewEvent();
  *event.mutable_test() = std::move(metrics);
  sink_.Emit(std::move(event));
}

// --- Running means. Their sums end at each multiple of the cadence, not at a last step beside it, so that a job that
// is extended has those of one longer job.

void Trainer::CountRunning(const Ran& ran) {
  v1::RunningSums& sums = *manifest_.mutable_running();
  sums.set_loss(sums.loss() + ran.loss_sum);
  sums.set_correct(sums.correct() + ran.correct);
  sums.set_examples(sums.examples() + ran.examples);
  sums.set_steps(sums.steps() + 1);
}

void Trainer::EndRunning() {
  const uint32_t cadence = spec_.metrics_every_steps();
  if (cadence > 0 && step_ % cadence == 0) manifest_.clear_running();
}

}  // namespace traind::core
