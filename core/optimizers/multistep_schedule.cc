// factor ^ (milestones that are reached), as PyTorch's MultiStepLR.
#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include "core/kinds/optimizer.h"
#include "core/optimizers/schedule_parts.h"

namespace traind::core {
namespace {

constexpr int kMostMilestones = 1000;

class MultistepFactor final : public Schedule {
 public:
  MultistepFactor(std::vector<uint64_t> milestones, double factor)
      : milestones_(std::move(milestones)), factor_(factor) {}
  double Factor(uint64_t t, uint64_t /*total*/) const override {
    const auto reached = std::upper_bound(milestones_.begin(), milestones_.end(), t) - milestones_.begin();
    return std::pow(factor_, static_cast<double>(reached));
  }
  bool counts_warmup() const override { return true; }

 private:
  const std::vector<uint64_t> milestones_;  // Rising.
  const double factor_;
};

// The milestones of `field` rise and are not too many.
template <class List>
void RequireRising(const List& milestones, std::string_view field, const FieldErrors& errors) {
  if (milestones.size() > kMostMilestones) {
    errors.At(field).Add(absl::StrCat("must be at most ", kMostMilestones, ", not ", milestones.size()));
    return;
  }
  for (int i = 0; i < milestones.size(); ++i) {
    const double before = i == 0 ? 0 : static_cast<double>(milestones[i - 1]);
    if (!(static_cast<double>(milestones[i]) <= before)) continue;  // That NaN is none, CheckLengths says.
    errors.At(field, i).Add(absl::StrCat("must be above ", before, ", not ", milestones[i], ": milestones rise"));
  }
}

const Registered<Schedule, v1::MultistepSchedule> kMultistep(
    "Multiplies the rate by a factor at each of a list of steps or epochs.",
    [](v1::MultistepSchedule& config, const FieldErrors& errors) {
      if (!config.has_factor()) config.set_factor(0.1);
      Require(config.factor() > 0 && config.factor() <= 1, errors, "factor", "in (0, 1]", config.factor());
      const auto& steps = config.milestone_steps();
      if (steps.empty() && config.milestone_epochs().empty()) {
        errors.At("milestone_steps").Add("must have at least one, or give milestone_epochs");
      }
      RequireRising(steps, "milestone_steps", errors);
      RequireRising(config.milestone_epochs(), "milestone_epochs", errors);
      return std::make_unique<MultistepFactor>(std::vector<uint64_t>(steps.begin(), steps.end()), config.factor());
    });

}  // namespace
}  // namespace traind::core
