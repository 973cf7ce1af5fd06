// factor ^ (t / every_steps): PyTorch's ExponentialLR is every_steps 1.
#include <cmath>
#include <memory>

#include "core/kinds/optimizer.h"
#include "core/optimizers/schedule_parts.h"

namespace traind::core {
namespace {

class ExponentialFactor final : public Schedule {
 public:
  ExponentialFactor(double factor, uint64_t every_steps)
      : factor_(factor), every_steps_(static_cast<double>(every_steps)) {}
  double Factor(uint64_t t, uint64_t /*total*/) const override {
    return std::pow(factor_, static_cast<double>(t) / every_steps_);
  }

 private:
  const double factor_;
  const double every_steps_;
};

const Registered<Schedule, v1::ExponentialSchedule> kExponential(
    "Falls (or rises) by the same factor in the same time.",
    [](v1::ExponentialSchedule& config, const FieldErrors& errors) {
      if (!config.has_factor()) config.set_factor(0.95);
      Require(config.factor() > 0 && std::isfinite(config.factor()), errors, "factor", "finite and above 0",
              config.factor());
      const uint64_t every = RequireLength(config.every_steps(), config.every_epochs(), "every", errors);
      return std::make_unique<ExponentialFactor>(config.factor(), every);
    });

}  // namespace
}  // namespace traind::core
