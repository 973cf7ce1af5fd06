#include "core/job/resolve_optimizer.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "core/base/kind.h"
#include "core/base/require.h"
#include "core/insight/facts.h"
#include "core/job/duration.h"
#include "core/job/resolve_splits.h"
#include "core/optimizers/lengths.h"
#include "core/optimizers/resolve.h"

namespace traind::core {
namespace {

// By default an epoch from one to the next, or half of what is averaged over where that is shorter, so that there are
// three; and the last step is one of them.
void ResolveSwaLengths(v1::Swa& swa, uint64_t round_steps, uint64_t steps_per_epoch, const FieldErrors& errors) {
  ConvertLengths(swa, steps_per_epoch, errors);
  const bool begins = swa.begin_steps() > 0 || swa.begin_epochs() > 0;
  const uint64_t over = !begins                           ? round_steps / 4
                        : swa.begin_steps() < round_steps ? round_steps - swa.begin_steps()
                                                          : 0;
  if (swa.every_steps() == 0 && swa.every_epochs() == 0) {
    const uint64_t every = std::min(steps_per_epoch, std::max<uint64_t>(1, over / 2));
    swa.set_every_steps(static_cast<uint32_t>(std::min<uint64_t>(every, UINT32_MAX)));
  }
  if (!begins) {
    const uint64_t every = std::max(1u, swa.every_steps());
    swa.set_begin_steps(std::max<uint64_t>(1, round_steps - over / every * every));
  }
}

// How many weights swa averages.
uint64_t SwaSamples(const v1::Swa& swa, uint64_t steps) {
  return swa.begin_steps() > steps ? 0 : (steps - swa.begin_steps()) / std::max(1u, swa.every_steps()) + 1;
}

void CheckPlateau(const v1::JobSpec& spec, const FieldErrors& errors) {
  const FieldErrors at = errors.At("optimizer").At("schedule").At("plateau");
  if (!Evaluates(spec.data())) {
    at.Add(
        "needs an evaluation, and data.evaluation_split is \"none\" or the dataset has none: it drops the rate when "
        "the evaluation loss no longer falls");
  } else if (spec.evaluation().has_every_steps() && spec.evaluation().every_steps() == 0) {
    errors.At("evaluation")
        .At("every_steps")
        .Add("must be at least 1 with the schedule plateau, which looks that often");
  }
  if (spec.has_lottery_ticket()) {
    at.Add("does not go with lottery_ticket, whose rounds begin anew; take another schedule");
  }
}

// The rate at the job's last step, and at the step where it is largest: a factor above 1 has no bound.
void WarnOfRange(const v1::JobSpec& spec, uint64_t steps, std::vector<std::string>& warnings) {
  FieldErrors::Root none;
  v1::Optimizer config = spec.optimizer();
  const ResolvedOptimizer optimizer = ResolveOptimizer(config, none.scope());
  if (optimizer.learning_rate == nullptr || steps == 0) return;
  const double last = optimizer.learning_rate->At(steps - 1, steps);
  if (IsFiniteFloat(last) && last <= 1e6) return;
  warnings.push_back(absl::StrCat("optimizer.schedule.", KindName(spec.optimizer().schedule()),
                                  ": the learning rate rises to ", last,
                                  " in the last step; no training survives that"));
}

void WarnOfMilestones(const v1::MultistepSchedule& schedule, uint64_t steps, const std::string& whose,
                      std::vector<std::string>& warnings) {
  for (const uint64_t milestone : schedule.milestone_steps()) {
    if (milestone < steps) continue;
    warnings.push_back(absl::StrCat("optimizer.schedule.multistep: the milestone at step ", milestone,
                                    " is never reached, because ", whose, " has ", steps, " steps"));
    return;
  }
}

void WarnOfPlateau(const v1::JobSpec& spec, uint64_t steps, std::vector<std::string>& warnings) {
  const uint64_t every = spec.evaluation().every_steps();
  const uint64_t evaluations = every == 0 ? 0 : steps / every;
  const uint32_t patience = spec.optimizer().schedule().plateau().patience();
  if (evaluations > uint64_t{patience} + 1) return;  // The first one is always the best so far.
  warnings.push_back(absl::StrCat("optimizer.schedule.plateau never acts: its patience is ", patience,
                                  " evaluations, and the whole job has ", evaluations,
                                  "; say less patience, or evaluation.every_steps"));
}

void WarnOfAverage(const v1::Optimizer& optimizer, uint64_t steps, std::vector<std::string>& warnings) {
  if (optimizer.has_swa() && optimizer.swa().begin_steps() > steps) {
    warnings.push_back(absl::StrCat("optimizer.swa never begins: begin_steps is ", optimizer.swa().begin_steps(),
                                    ", and the job has ", steps, " steps"));
  } else if (optimizer.has_swa() && SwaSamples(optimizer.swa(), steps) < 2) {
    const v1::Swa& swa = optimizer.swa();
    warnings.push_back(absl::StrCat("optimizer.swa averages nothing: it takes the weights after step ",
                                    swa.begin_steps(), " alone, because begin_steps is ", swa.begin_steps(),
                                    ", every_steps ", swa.every_steps(), ", and the job has ", steps, " steps"));
  }
  // Steps after which the first weights have less than 1 / e of the average.
  const double memory = 1 / (1 - optimizer.ema().decay());
  if (optimizer.has_ema() && !optimizer.ema().ramp() && memory > static_cast<double>(steps) / 2) {
    warnings.push_back(absl::StrCat("optimizer.ema: with decay ", optimizer.ema().decay(), " the average remembers ",
                                    std::round(memory), " updates, and the job has ", steps,
                                    ": its first weights stay in what is evaluated; say ramp: true, or less decay"));
  }
  if (optimizer.has_lookahead() && optimizer.lookahead().every_steps() > steps) {
    warnings.push_back(absl::StrCat("optimizer.lookahead never acts: every_steps is ",
                                    optimizer.lookahead().every_steps(), ", and the job has ", steps, " steps"));
  }
}

// A rate that is many times as large as the one that was chosen (Goyal et al. 2017).
void WarnOfScaling(const v1::JobSpec& spec, const v1::JobSpec& given, std::vector<std::string>& warnings) {
  if (!given.optimizer().has_batch_scaling()) return;
  const double batch = static_cast<double>(spec.batch_size()) * static_cast<double>(MinibatchesPerStep(spec));
  const double base = given.optimizer().batch_scaling().base_batch_size();
  const v1::Schedule& schedule = spec.optimizer().schedule();
  if (batch <= 4 * base || schedule.warmup_steps() > 0 || schedule.has_one_cycle()) return;
  warnings.push_back(absl::StrCat("optimizer.batch_scaling makes a learning_rate of ", spec.optimizer().learning_rate(),
                                  ", for a batch of ", batch, " instead of ", base,
                                  ", from the first step on; warm up: schedule.warmup_epochs: 5"));
}

}  // namespace

void ResolveOptimizerLengths(v1::JobSpec& spec, uint64_t steps_per_epoch, const FieldErrors& errors) {
  const FieldErrors at = errors.At("optimizer");
  v1::Optimizer& optimizer = *spec.mutable_optimizer();
  if (optimizer.schedule().has_plateau()) CheckPlateau(spec, errors);
  if (steps_per_epoch == 0) return;
  if (optimizer.has_schedule()) {
    v1::Schedule& schedule = *optimizer.mutable_schedule();
    ConvertLengths(schedule, steps_per_epoch, at.At("schedule"));
    if (const auto* kind = KindField(schedule); kind != nullptr) {
      ConvertLengths(*schedule.GetReflection()->MutableMessage(&schedule, kind), steps_per_epoch,
                     at.At("schedule").At(kind->name()));
    }
  }
  if (optimizer.has_swa()) {
    ResolveSwaLengths(*optimizer.mutable_swa(), RoundSteps(spec, steps_per_epoch), steps_per_epoch, at.At("swa"));
  }
}

void ScaleLearningRate(v1::JobSpec& spec, const FieldErrors& errors) {
  v1::Optimizer& optimizer = *spec.mutable_optimizer();
  if (!optimizer.has_batch_scaling() || spec.batch_size() == 0 || optimizer.batch_scaling().base_batch_size() == 0) {
    return;
  }
  const v1::BatchScaling& scaling = optimizer.batch_scaling();
  const double n = static_cast<double>(spec.batch_size()) * static_cast<double>(MinibatchesPerStep(spec)) /
                   scaling.base_batch_size();
  const double rate =
      optimizer.learning_rate() * (scaling.rule() == v1::BatchScaling::RULE_SQUARE_ROOT ? std::sqrt(n) : n);
  if (!IsPositiveFloat(rate)) {
    errors.At("optimizer").At("batch_scaling").Add(absl::StrCat("makes a learning rate of ", rate));
    return;
  }
  optimizer.set_learning_rate(rate);
  optimizer.clear_batch_scaling();
}

void CheckOptimizer(const v1::JobSpec& spec, const Graph& graph, const FieldErrors& errors) {
  if (!spec.optimizer().has_swa()) return;
  const std::vector<bool> normalizes = NormalizesOverBatch(graph, &spec);
  for (size_t i = 0; i < normalizes.size(); ++i) {
    if (!normalizes[i]) continue;
    const Node& node = graph.nodes()[i];
    errors.At("optimizer")
        .At("swa")
        .Add(absl::StrCat("does not go with layer \"", node.name, "\", a ", node.kind,
                          ", whose running statistics are ",
                          "not those of the averaged weights; take ema, or group_norm or layer_norm"));
    return;
  }
}

void WarnOfOptimizer(const v1::JobSpec& spec, const v1::JobSpec& given, int64_t examples,
                     std::vector<std::string>& warnings) {
  const uint64_t steps = RoundSteps(spec, StepsPerEpoch(spec, examples));
  const v1::Optimizer& optimizer = spec.optimizer();
  WarnOfScaling(spec, given, warnings);
  if (steps == 0) return;
  const std::string whose = spec.has_lottery_ticket() ? "each round" : "the job";
  WarnOfRange(spec, steps, warnings);
  WarnOfMilestones(optimizer.schedule().multistep(), steps, whose, warnings);
  if (optimizer.schedule().has_plateau()) WarnOfPlateau(spec, steps, warnings);
  WarnOfAverage(optimizer, steps, warnings);
  const uint64_t minibatches = MinibatchesPerEpoch(spec, examples);
  if (MinibatchesPerStep(spec) > minibatches) {
    warnings.push_back(absl::StrCat("optimizer.accumulate_batches is ", MinibatchesPerStep(spec), ", and an epoch has ",
                                    minibatches, " minibatches: a step takes no more than these"));
  }
}

}  // namespace traind::core
