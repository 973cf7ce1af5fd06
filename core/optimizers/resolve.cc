#include "core/optimizers/resolve.h"

#include <utility>

#include "core/base/require.h"

namespace traind::core {

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
  Require(config.clip_norm() >= 0 && IsFiniteFloat(config.clip_norm()), errors, "clip_norm", "finite and at least 0",
          config.clip_norm());

  v1::Schedule& schedule = *config.mutable_schedule();
  if (schedule.kind_case() == v1::Schedule::KIND_NOT_SET) schedule.mutable_constant();
  std::unique_ptr<Schedule> factor = Registry<Schedule>::Get().Create(schedule, errors.At("schedule"));
  if (factor != nullptr) {
    resolved.learning_rate =
        std::make_unique<LearningRate>(config.learning_rate(), schedule.warmup_steps(), std::move(factor));
  }
  resolved.weight_decay = config.weight_decay();
  resolved.coupled_weight_decay = config.coupled_weight_decay();
  resolved.clip_norm = config.clip_norm();
  return resolved;
}

}  // namespace traind::core
