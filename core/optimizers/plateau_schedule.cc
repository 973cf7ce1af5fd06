// Multiplied by a factor when the evaluation loss no longer falls, as PyTorch's ReduceLROnPlateau with mode "min" and
// threshold_mode "rel". What has happened is in the state; the schedule itself knows nothing.
#include <algorithm>
#include <cmath>
#include <memory>

#include "core/kinds/optimizer.h"
#include "core/optimizers/schedule_parts.h"

namespace traind::core {
namespace {

class PlateauFactor final : public Schedule {
 public:
  explicit PlateauFactor(const v1::PlateauSchedule& config) : config_(config) {}

  double Factor(uint64_t /*t*/, uint64_t /*total*/) const override { return 1; }
  bool watches_evaluations() const override { return true; }

  // What is not finite is never an improvement; every number is better than it.
  bool Note(double loss, v1::PlateauState& state) const override {
    const double best = state.best();
    const bool first = !std::isfinite(best);
    if (std::isfinite(loss) && (first || loss < best - config_.threshold() * std::abs(best))) {
      state.set_best(loss);
      state.set_waited(0);
    } else {
      state.set_waited(state.waited() + 1);
    }
    if (state.cooldown_left() > 0) {
      state.set_cooldown_left(state.cooldown_left() - 1);
      state.set_waited(0);
    }
    if (state.waited() <= config_.patience()) return false;
    state.set_waited(0);
    state.set_cooldown_left(config_.cooldown());
    const double before = state.factor();
    state.set_factor(std::min(before, std::max(config_.min_factor(), before * config_.factor())));
    return state.factor() != before;
  }

 private:
  const v1::PlateauSchedule config_;
};

const Registered<Schedule, v1::PlateauSchedule> kPlateau(
    "Multiplies the rate by a factor when the evaluation loss no longer falls.",
    [](v1::PlateauSchedule& config, const FieldErrors& errors) {
      if (!config.has_factor()) config.set_factor(0.1);
      if (!config.has_patience()) config.set_patience(10);
      if (!config.has_threshold()) config.set_threshold(1e-4);
      Require(config.factor() > 0 && config.factor() < 1, errors, "factor", "in (0, 1)", config.factor());
      Require(config.threshold() >= 0 && config.threshold() < 1, errors, "threshold", "in [0, 1)", config.threshold());
      Require(config.min_factor() >= 0 && config.min_factor() <= 1, errors, "min_factor", "in [0, 1]",
              config.min_factor());
      return std::make_unique<PlateauFactor>(config);
    });

}  // namespace
}  // namespace traind::core
