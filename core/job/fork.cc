#include "core/job/fork.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>

#include "absl/strings/str_cat.h"
#include "core/base/kind.h"
#include "core/data/held_out.h"
#include "core/data/input_pipeline.h"
#include "core/graph/graph.h"
#include "core/graph/parameter_rules.h"
#include "core/job/duration.h"
#include "core/job/early_stopping.h"
#include "core/job/resolve_data.h"
#include "core/optimizers/resolve.h"
#include "google/protobuf/util/message_differencer.h"

namespace traind::core {
namespace {

constexpr size_t kMostTensors = 10;  // That are named in violations.

using google::protobuf::util::MessageDifferencer;

// A spec with the defaults that this version knows, also where an older one wrote it, and what was built from it.
// Violations are none: it was accepted.
struct Known {
  v1::JobSpec spec;
  std::unique_ptr<Graph> graph;
  Shape preprocessed;  // The shape that the preprocessing sees.
  ResolvedOptimizer optimizer;
};

Known KnownOf(const v1::JobSpec& resolved) {
  FieldErrors::Root none;
  Known known;
  known.spec = resolved;
  const Shape stored = StoredShape(resolved);
  known.graph = Graph::Build(*known.spec.mutable_network(), none.scope());
  known.preprocessed = InputPipeline::Create(*known.spec.mutable_data(), &stored, none.scope()).augmented_shape();
  known.optimizer = ResolveOptimizer(*known.spec.mutable_optimizer(), none.scope());
  return known;
}

template <class List>
bool SameList(const List& a, const List& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const auto& x, const auto& y) { return MessageDifferencer::Equals(x, y); });
}

// By what the best evaluation is the best; jobs before version 0.3 do not say.
std::string IsBy(const v1::JobSpec& spec) {
  const std::string& metric = spec.checkpoint().best_metric();
  return metric.empty() ? "loss" : metric;
}

bool SameEvaluations(const v1::JobSpec& a, const v1::JobSpec& b) {
  return MessageDifferencer::Equals(a.network(), b.network()) && MessageDifferencer::Equals(a.loss(), b.loss()) &&
         MessageDifferencer::Equals(a.evaluation().test_time(), b.evaluation().test_time()) &&
         a.data().dataset() == b.data().dataset() && a.data().evaluation_split() == b.data().evaluation_split() &&
         a.data().max_evaluation_examples() == b.data().max_evaluation_examples() && IsBy(a) == IsBy(b) &&
         HoldsOutTheSame(a.data(), b.data()) &&
         (!HoldsOut(a.data()) || a.data().train_split() == b.data().train_split()) &&
         SameList(a.data().preprocessing(), b.data().preprocessing());
}

bool SameTrainingData(const v1::JobSpec& a, const v1::JobSpec& b) {
  return a.data().dataset() == b.data().dataset() && a.data().train_split() == b.data().train_split() &&
         a.data().max_train_examples() == b.data().max_train_examples() && HoldsOutTheSame(a.data(), b.data());
}

// Whether a step of both is the same part of an epoch.
bool SameSteps(const v1::JobSpec& a, const v1::JobSpec& b) {
  return SameTrainingData(a, b) && a.batch_size() == b.batch_size() && a.last_batch() == b.last_batch() &&
         MinibatchesPerStep(a) == MinibatchesPerStep(b);
}

// Whether the state of `parent` has all that `job` wants; what stands beside an optimizer may be left out.
bool HasState(const ResolvedOptimizer& job, const ResolvedOptimizer& parent) {
  if (job.optimizer == nullptr || parent.optimizer == nullptr) return false;
  const std::vector<std::string_view> wanted = job.slots(), there = parent.slots();
  return job.optimizer->slots() == parent.optimizer->slots() &&
         std::all_of(wanted.begin(), wanted.end(),
                     [&](std::string_view name) { return std::find(there.begin(), there.end(), name) != there.end(); });
}

bool SameSwa(const v1::Optimizer& a, const v1::Optimizer& b) {
  return a.has_swa() && b.has_swa() && a.swa().begin_steps() == b.swa().begin_steps() &&
         a.swa().every_steps() == b.swa().every_steps();
}

// Whether a job without rounds averages nothing up to `step`.
bool IsBeforeSwa(const v1::JobSpec& spec, uint64_t step) {
  return spec.optimizer().has_swa() && !spec.has_lottery_ticket() && spec.optimizer().swa().begin_steps() > step;
}

// Whether `spec` can go on with the average of `before`, wants none, or begins its own later: the first weights that
// swa takes replace whatever is there.
bool TakesAverage(const v1::JobSpec& spec, const v1::JobSpec& before, uint64_t step) {
  const v1::Optimizer &now = spec.optimizer(), &then = before.optimizer();
  if (now.has_ema()) return then.has_ema();
  return !now.has_swa() || SameSwa(now, then) || IsBeforeSwa(spec, step);
}

// Whether evaluations of both at `step` are of the same weights, or of the same average of them.
bool SameAverage(const v1::JobSpec& spec, const v1::JobSpec& before, uint64_t step, bool with_state) {
  const v1::Optimizer &now = spec.optimizer(), &then = before.optimizer();
  if (now.has_ema() != then.has_ema() || now.has_swa() != then.has_swa()) return false;
  if (IsBeforeSwa(spec, step) && IsBeforeSwa(before, step)) return true;
  return now.has_swa() ? with_state && SameSwa(now, then) : !now.has_ema() || with_state;
}

// Whether each tensor was frozen in as many of the first `step` steps of both: the optimizer's state of one that was
// frozen is none.
bool TrainedAlike(const Known& job, const Known& parent, uint64_t step) {
  if (job.graph == nullptr || parent.graph == nullptr) return true;
  const auto frozen_for = [step](const Known& it) {
    std::vector<uint64_t> steps;
    for (const ParameterTreatment& one : TreatmentsOf(*it.graph, it.spec)) {
      const uint64_t end = one.unfreeze_after_steps == 0 ? step : std::min(one.unfreeze_after_steps, step);
      steps.push_back(one.frozen ? end : 0);
    }
    while (!steps.empty() && steps.back() == 0) steps.pop_back();
    return steps;
  };
  return frozen_for(job) == frozen_for(parent);
}

// Whether all training examples have the same gradient at the same weights.
bool SameObjective(const v1::JobSpec& a, const v1::JobSpec& b) {
  return SameTrainingData(a, b) && MessageDifferencer::Equals(a.network(), b.network()) &&
         MessageDifferencer::Equals(a.loss(), b.loss()) && SameList(a.parameter_rules(), b.parameter_rules()) &&
         a.optimizer().coupled_weight_decay() == b.optimizer().coupled_weight_decay() &&
         SameList(a.data().preprocessing(), b.data().preprocessing()) &&
         SameList(a.data().augmentation(), b.data().augmentation());
}

// Whether the state of `parent` is of no other objective: lbfgs takes the difference of its gradients for curvature.
bool KeepsObjective(const Known& job, const Known& parent) {
  const bool compares = job.optimizer.optimizer != nullptr && job.optimizer.optimizer->needs_all_examples();
  return !compares || SameObjective(job.spec, parent.spec);
}

Inherited InheritedFrom(const Known& job, const Known& parent, uint64_t step) {
  const v1::JobSpec &spec = job.spec, &before = parent.spec;
  Inherited inherited;
  inherited.optimizer = spec.optimizer().kind_case() == before.optimizer().kind_case() &&
                        HasState(job.optimizer, parent.optimizer) && TakesAverage(spec, before, step) &&
                        TrainedAlike(job, parent, step) && KeepsObjective(job, parent);
  inherited.augmentation = SameList(spec.data().augmentation(), before.data().augmentation());
  inherited.observers =
      before.statistics().every_steps() > 0 && MessageDifferencer::Equals(spec.network(), before.network());
  inherited.evaluations = SameEvaluations(spec, before) && SameAverage(spec, before, step, inherited.optimizer);
  const v1::EarlyStopping &now = spec.early_stopping(), &then = before.early_stopping();
  inherited.early_stopping = inherited.evaluations && spec.has_early_stopping() && before.has_early_stopping() &&
                             now.metric() == then.metric() && now.min_delta() == then.min_delta();
  const auto watches = [](const Known& it) {
    return it.optimizer.learning_rate != nullptr && it.optimizer.learning_rate->schedule().watches_evaluations();
  };
  inherited.plateau = inherited.evaluations && watches(job) && watches(parent);
  inherited.running = inherited.evaluations && spec.metrics_every_steps() == before.metrics_every_steps();
  return inherited;
}

std::map<std::string, Shape> ParametersOf(const Graph& graph) {
  std::map<std::string, Shape> shapes;
  for (const Node& node : graph.nodes()) {
    for (const ParameterSpec& parameter : node.parameters) {
      shapes[absl::StrCat(node.name, ".", parameter.name)] = parameter.shape;
    }
  }
  return shapes;
}

// The network has the checkpoint's tensors: one violation for each that differs, for the first of them.
void CheckParameters(const Graph& graph, const Graph& parent, const FieldErrors& network) {
  const std::map<std::string, Shape> wanted = ParametersOf(graph), there = ParametersOf(parent);
  std::vector<std::string> problems;
  for (const auto& [name, shape] : wanted) {
    const auto found = there.find(name);
    if (found == there.end()) {
      problems.push_back(absl::StrCat(name, " is not in the checkpoint"));
    } else if (found->second != shape) {
      problems.push_back(
          absl::StrCat(name, " has shape ", ToString(shape), ", in the checkpoint ", ToString(found->second)));
    }
  }
  for (const auto& [name, shape] : there) {
    if (wanted.find(name) == wanted.end()) {
      problems.push_back(absl::StrCat("has no ", name, " ", ToString(shape), ", which the checkpoint has"));
    }
  }
  const size_t named = std::min(problems.size(), kMostTensors);
  if (problems.size() > named) {
    absl::StrAppend(&problems[named - 1], "; and ", problems.size() - named, " tensors more differ");
  }
  for (size_t i = 0; i < named; ++i) network.Add(problems[i]);
}

void CheckPreprocessing(const Known& job, const Known& parent, const std::string& name, const FieldErrors& data) {
  if (!SameList(job.spec.data().preprocessing(), parent.spec.data().preprocessing())) {
    data.At("preprocessing")
        .Add(absl::StrCat("is not that of the checkpoint, whose weights know no other: leave it as it is, or create a ",
                          "job with initial_weights { model: \"", name, "\" }"));
  } else if (!job.spec.data().preprocessing().empty() && job.preprocessed != parent.preprocessed) {
    data.At("preprocessing")
        .Add(absl::StrCat("was fitted on examples of shape ", ToString(parent.preprocessed), ", and these have ",
                          ToString(job.preprocessed)));
  }
}

void CheckStepsLeft(const v1::JobSpec& spec, uint64_t steps_per_epoch, uint64_t step, const FieldErrors& errors) {
  const uint64_t total = TotalSteps(spec, steps_per_epoch);
  if (total > step) return;
  errors.At(spec.has_steps() ? "steps" : "epochs")
      .Add(absl::StrCat("makes ", total, " steps in all, and the checkpoint has done ", step,
                        " of them: nothing is left ", "to train"));
}

// Its rounds, masks and weights to rewind to go on, or there are none.
void CheckLotteryTicket(const v1::JobSpec& spec, const v1::JobSpec& parent, const FieldErrors& errors) {
  if (!spec.has_lottery_ticket() && !parent.has_lottery_ticket()) return;
  const bool same = spec.has_lottery_ticket() && parent.has_lottery_ticket() &&
                    MessageDifferencer::Equals(spec.lottery_ticket(), parent.lottery_ticket());
  const bool same_rounds = spec.duration_case() == parent.duration_case() && spec.epochs() == parent.epochs() &&
                           spec.steps() == parent.steps() && SameSteps(spec, parent);
  if (same && same_rounds) return;
  errors.At("lottery_ticket")
      .Add("and the length of its rounds must be the checkpoint's, which is in the middle of them");
}

void CheckNotEnded(const v1::JobSpec& spec, const v1::CheckpointManifest& checkpoint, const FieldErrors& errors) {
  if (!HasEnded(spec.early_stopping(), checkpoint.early_stopping())) return;
  errors.At("early_stopping")
      .Add(absl::StrCat("has ended at the checkpoint (", EndReason(spec, checkpoint.early_stopping()),
                        "): raise patience, or leave it out"));
}

std::vector<std::string> WarningsOf(const Known& job, const Known& parent, const Inherited& inherited,
                                    uint64_t steps_per_epoch, const v1::CheckpointManifest& checkpoint) {
  const v1::JobSpec &spec = job.spec, &before = parent.spec;
  std::vector<std::string> warnings;
  if (!inherited.optimizer) {
    warnings.push_back(
        absl::StrCat("the optimizer's state begins anew: that of the checkpoint is of ", KindName(before.optimizer()),
                     " with other options or another kind than this ", KindName(spec.optimizer()),
                     TakesAverage(spec, before, checkpoint.step()) ? "" : ", or with another average",
                     TrainedAlike(job, parent, checkpoint.step()) ? "" : ", or with other tensors frozen",
                     KeepsObjective(job, parent) ? "" : ", or of another objective"));
  }
  if (before.optimizer().schedule().has_plateau() && !inherited.plateau && checkpoint.plateau().factor() < 1) {
    warnings.push_back(absl::StrCat("the schedule plateau had multiplied the learning rate by ",
                                    checkpoint.plateau().factor(),
                                    ", which is forgotten: it is that of this job anew"));
  }
  if (parent.optimizer.beside.averages() && !job.optimizer.beside.averages()) {
    warnings.push_back(absl::StrCat("goes on with the weights after step ", checkpoint.step(),
                                    ", not with their average, which the checkpoint shows"));
  }
  if (!inherited.evaluations && Evaluates(spec.data())) {
    warnings.emplace_back(
        "the best evaluation is counted anew: those before the checkpoint are of another loss, network, evaluation, "
        "best_metric or average");
  }
  if (spec.data().dataset() == before.data().dataset() && HasSeenHeldOut(spec.data(), before.data())) {
    warnings.emplace_back(kSeenHeldOut);
  }
  if (!SameSteps(spec, before) && steps_per_epoch > 0) {
    warnings.push_back(absl::StrCat("steps are counted on: step ", checkpoint.step(), " of the checkpoint is epoch ",
                                    static_cast<double>(checkpoint.step()) / static_cast<double>(steps_per_epoch),
                                    " of this job, whose epochs have ", steps_per_epoch, " steps"));
  }
  if (!SameTrainingData(spec, before) && !spec.data().preprocessing().empty()) {
    warnings.push_back(absl::StrCat("the preprocessing stays as it was fitted on split \"", before.data().train_split(),
                                    "\" of ", before.data().dataset()));
  }
  if (checkpoint.early_stopping().has_restored_step()) {
    const uint64_t best = checkpoint.early_stopping().restored_step();
    warnings.push_back(absl::StrCat("goes on with the weights after step ", checkpoint.step(), ", as one longer job ",
                                    "would; the checkpoint shows those of step ", best, " (restore_best), with which ",
                                    "a fork of step ", best, " begins"));
  }
  return warnings;
}

}  // namespace

Inherited InheritedBy(const v1::JobSpec& spec, const v1::JobSpec& parent, uint64_t step) {
  return InheritedFrom(KnownOf(spec), KnownOf(parent), step);
}

std::vector<std::string> CheckFork(const v1::JobSpec& spec, uint64_t steps_per_epoch, const std::string& name,
                                   const v1::CheckpointManifest& checkpoint, const FieldErrors& errors) {
  const Known job = KnownOf(spec), parent = KnownOf(checkpoint.spec());
  const Inherited inherited = InheritedFrom(job, parent, checkpoint.step());
  if (job.graph == nullptr || parent.graph == nullptr) {
    errors.At("network").Add("cannot be compared with the checkpoint's, which this version does not understand");
    return {};
  }
  CheckParameters(*job.graph, *parent.graph, errors.At("network"));
  CheckPreprocessing(job, parent, name, errors.At("data"));
  CheckStepsLeft(spec, steps_per_epoch, checkpoint.step(), errors);
  CheckLotteryTicket(spec, parent.spec, errors);
  if (inherited.early_stopping) CheckNotEnded(spec, checkpoint, errors);
  return WarningsOf(job, parent, inherited, steps_per_epoch, checkpoint);
}

std::optional<uint64_t> BestStepNeeded(const v1::JobSpec& spec, const v1::CheckpointManifest& checkpoint) {
  const v1::EarlyStoppingState& state = checkpoint.early_stopping();
  const bool needed = spec.early_stopping().restore_best() && checkpoint.has_early_stopping() &&
                      !std::isnan(state.best()) && state.best_step() != checkpoint.step() &&
                      InheritedBy(spec, checkpoint.spec(), checkpoint.step()).early_stopping;
  return needed ? std::optional(state.best_step()) : std::nullopt;
}

}  // namespace traind::core
