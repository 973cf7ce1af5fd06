// Up from initial_factor to 1, then down to final_factor in the last step, as PyTorch's OneCycleLR with its two phases
// (Smith & Topin 2018). The momentum goes the other way.
#include <algorithm>
#include <cmath>
#include <memory>

#include "core/kinds/optimizer.h"
#include "core/optimizers/schedule_parts.h"

namespace traind::core {
namespace {

class OneCycleFactor final : public Schedule {
 public:
  explicit OneCycleFactor(const v1::OneCycleSchedule& config) : config_(config) {}

  double Factor(uint64_t t, uint64_t total) const override {
    return At(t, total, config_.initial_factor(), 1, config_.final_factor());
  }
  bool moves_momentum() const override { return config_.has_min_momentum(); }
  double Momentum(uint64_t t, uint64_t total) const override {
    return At(t, total, config_.max_momentum(), config_.min_momentum(), config_.max_momentum());
  }

 private:
  // From `begin` to `top` and down to `end` in step total - 1. The first phase ends at step rising_share total - 1,
  // which need not be a whole number.
  double At(uint64_t t, uint64_t total, double begin, double top, double end) const {
    const double last = total == 0 ? 0 : static_cast<double>(total - 1);
    const double peak = std::max(0.0, config_.rising_share() * static_cast<double>(total) - 1);
    const double now = std::min(static_cast<double>(t), last);
    if (now <= peak) return Along(begin, top, peak > 0 ? now / peak : 1);
    return Along(top, end, (now - peak) / (last - peak));
  }

  double Along(double from, double to, double share) const {
    if (config_.annealing() == v1::OneCycleSchedule::ANNEALING_LINEAR) return from + (to - from) * share;
    return HalfCosine(from, to, share);
  }

  const v1::OneCycleSchedule config_;
};

void RequireMomenta(const v1::OneCycleSchedule& config, const FieldErrors& errors) {
  if (config.has_min_momentum() != config.has_max_momentum()) {
    errors.At(config.has_min_momentum() ? "max_momentum" : "min_momentum")
        .Add("must be given with the other of the two");
  }
  Require(config.min_momentum() >= 0 && config.min_momentum() < 1, errors, "min_momentum", "in [0, 1)",
          config.min_momentum());
  Require(config.max_momentum() >= 0 && config.max_momentum() < 1, errors, "max_momentum", "in [0, 1)",
          config.max_momentum());
  if (config.has_min_momentum() && config.has_max_momentum() && config.min_momentum() > config.max_momentum()) {
    errors.At("min_momentum").Add("must be at most max_momentum");
  }
}

const Registered<Schedule, v1::OneCycleSchedule> kOneCycle(
    "Up to the rate and down to nearly nothing, once (Smith & Topin 2018).",
    [](v1::OneCycleSchedule& config, const FieldErrors& errors) {
      if (!config.has_rising_share()) config.set_rising_share(0.3);
      if (!config.has_initial_factor()) config.set_initial_factor(0.04);
      if (!config.has_final_factor()) config.set_final_factor(4e-6);
      if (config.annealing() == v1::OneCycleSchedule::ANNEALING_UNSPECIFIED) {
        config.set_annealing(v1::OneCycleSchedule::ANNEALING_COSINE);
      }
      Require(config.rising_share() > 0 && config.rising_share() < 1, errors, "rising_share", "in (0, 1)",
              config.rising_share());
      Require(config.initial_factor() > 0 && config.initial_factor() <= 1, errors, "initial_factor", "in (0, 1]",
              config.initial_factor());
      RequireFinalFactor(config.final_factor(), errors);
      RequireMomenta(config, errors);
      return std::make_unique<OneCycleFactor>(config);
    });

}  // namespace
}  // namespace traind::core
