#include "core/optimizers/resolve.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/kind.h"
#include "core/base/require.h"
#include "core/optimizers/lengths.h"

namespace traind::core {
namespace {

constexpr uint32_t kMostBatches = 10'000;

void CheckClipping(const v1::Optimizer& config, const FieldErrors& errors) {
  Require(config.clip_norm() >= 0 && IsFiniteFloat(config.clip_norm()), errors, "clip_norm", "finite and at least 0",
          config.clip_norm());
  Require(config.clip_value() >= 0 && IsFiniteFloat(config.clip_value()), errors, "clip_value", "finite and at least 0",
          config.clip_value());
  if (config.clip_norm() > 0 && config.clip_value() > 0) {
    errors.At("clip_value").Add("cannot be given together with clip_norm");
  }
}

// What is clipped differs from step to step by more than the curvature.
void RefuseClipping(const v1::Optimizer& config, const FieldErrors& errors) {
  for (const auto& [field, given] :
       {std::pair("clip_norm", config.clip_norm() > 0), {"clip_value", config.clip_value() > 0}}) {
    if (!given) continue;
    errors.At(field).Add(absl::StrCat("does not go with ", KindName(config),
                                      ", which takes the difference of gradients ",
                                      "for curvature, and of clipped ones it is none; a lower learning_rate helps"));
  }
}

// Null after a violation.
std::unique_ptr<Schedule> ResolveSchedule(v1::Schedule& schedule, const Optimizer* optimizer,
                                          const std::string& optimizer_kind, const FieldErrors& errors) {
  if (schedule.kind_case() == v1::Schedule::KIND_NOT_SET) schedule.mutable_constant();
  if (schedule.has_inverse_square_root()) {
    v1::InverseSquareRootSchedule& config = *schedule.mutable_inverse_square_root();
    if (config.timescale_steps() == 0 && config.timescale_epochs() == 0) {
      config.set_timescale_steps(schedule.warmup_steps());
      if (schedule.warmup_steps() == 0) config.set_timescale_epochs(schedule.warmup_epochs());
    }
  }
  CheckLengths(schedule, errors);
  if (const auto* kind = KindField(schedule); kind != nullptr) {
    CheckLengths(schedule.GetReflection()->GetMessage(schedule, kind), AtKind(schedule, errors));
  }
  std::unique_ptr<Schedule> factor = Registry<Schedule>::Get().Create(schedule, errors);
  if (factor != nullptr && factor->moves_momentum() && optimizer != nullptr && !optimizer->takes_momentum()) {
    AtKind(schedule, errors)
        .At("min_momentum")
        .Add(
            absl::StrCat("needs an optimizer whose momentum can be moved: sgd with a momentum above 0, adam or adamw, ",
                         "not this ", optimizer_kind));
  }
  return factor;
}

}  // namespace

std::vector<std::string_view> ResolvedOptimizer::slots() const {
  std::vector<std::string_view> slots = optimizer->slots();
  for (const std::string_view name : beside.slots()) slots.push_back(name);
  return slots;
}

ResolvedOptimizer ResolveOptimizer(v1::Optimizer& config, const FieldErrors& errors) {
  ResolvedOptimizer resolved;
  resolved.optimizer = Registry<Optimizer>::Get().Create(config, errors);
  if (resolved.optimizer != nullptr) {
    if (!config.has_learning_rate()) config.set_learning_rate(resolved.optimizer->default_learning_rate());
    if (config.coupled_weight_decay() != 0 && config.weight_decay() != 0) {
      errors.At("coupled_weight_decay").Add("cannot be given together with weight_decay");
    }
    const double decay = config.coupled_weight_decay() != 0 ? 0 : resolved.optimizer->default_weight_decay();
    if (!config.has_weight_decay()) config.set_weight_decay(decay);
  }
  if (config.has_learning_rate()) {
    Require(IsPositiveFloat(config.learning_rate()), errors, "learning_rate", "finite and above 0",
            config.learning_rate());
  }
  Require(config.weight_decay() >= 0 && IsFiniteFloat(config.weight_decay()), errors, "weight_decay",
          "finite and at least 0", config.weight_decay());
  Require(config.coupled_weight_decay() >= 0 && IsFiniteFloat(config.coupled_weight_decay()), errors,
          "coupled_weight_decay", "finite and at least 0", config.coupled_weight_decay());
  CheckClipping(config, errors);
  if (resolved.optimizer != nullptr && resolved.optimizer->needs_all_examples()) RefuseClipping(config, errors);
  if (!config.has_accumulate_batches()) config.set_accumulate_batches(1);
  Require(config.accumulate_batches() >= 1 && config.accumulate_batches() <= kMostBatches, errors, "accumulate_batches",
          absl::StrCat("1 to ", kMostBatches), config.accumulate_batches());
  if (config.has_batch_scaling() && config.batch_scaling().base_batch_size() == 0) {
    errors.At("batch_scaling").At("base_batch_size").Add("must be at least 1: the batch size that the rate is for");
  }
  ResolveBeside(config, errors);

  std::unique_ptr<Schedule> factor =
      ResolveSchedule(*config.mutable_schedule(), resolved.optimizer.get(), KindName(config), errors.At("schedule"));
  if (factor != nullptr) {
    resolved.learning_rate =
        std::make_unique<LearningRate>(config.learning_rate(), config.schedule().warmup_steps(), std::move(factor));
  }
  resolved.weight_decay = config.weight_decay();
  resolved.coupled_weight_decay = config.coupled_weight_decay();
  resolved.clip_norm = config.clip_norm();
  resolved.clip_value = config.clip_value();
  resolved.accumulate_batches = std::max(1u, config.accumulate_batches());
  resolved.beside = Beside(config);
  return resolved;
}

}  // namespace traind::core
