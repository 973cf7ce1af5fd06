// factor ^ (t / every_steps, rounded down)
#include <cmath>
#include <memory>

#include "core/kinds/optimizer.h"
#include "core/optimizers/schedule_parts.h"

namespace traind::core {
namespace {

class StepFactor final : public Schedule {
 public:
  StepFactor(uint64_t every_steps, double factor) : every_steps_(every_steps), factor_(factor) {}
  double Factor(uint64_t t, uint64_t /*total*/) const override {
    const uint64_t drops = t / every_steps_;
    return std::pow(factor_, static_cast<double>(drops));
  }

 private:
  const uint64_t every_steps_;
  const double factor_;
};

const Registered<Schedule, v1::StepSchedule> kStep(
    "Multiplies the rate by a factor every so many steps.", [](v1::StepSchedule& config, const FieldErrors& errors) {
      if (!config.has_factor()) config.set_factor(0.1);
      Require(config.factor() > 0 && config.factor() <= 1, errors, "factor", "in (0, 1]", config.factor());
      const uint64_t every = RequireLength(config.every_steps(), config.every_epochs(), "every", errors);
      return std::make_unique<StepFactor>(every, config.factor());
    });

}  // namespace
}  // namespace traind::core
