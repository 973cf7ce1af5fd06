// (1 + gamma t / every_steps)^-power: Caffe's "inv", Keras' InverseTimeDecay, scikit-learn's "invscaling".
#include <cmath>
#include <memory>

#include "core/kinds/optimizer.h"
#include "core/optimizers/schedule_parts.h"

namespace traind::core {
namespace {

class InverseTimeFactor final : public Schedule {
 public:
  InverseTimeFactor(double gamma, double power, uint64_t every_steps)
      : gamma_(gamma), power_(power), every_steps_(static_cast<double>(every_steps)) {}
  double Factor(uint64_t t, uint64_t /*total*/) const override {
    return std::pow(1 + gamma_ * (static_cast<double>(t) / every_steps_), -power_);
  }

 private:
  const double gamma_;
  const double power_;
  const double every_steps_;
};

const Registered<Schedule, v1::InverseTimeSchedule> kInverseTime(
    "Falls with the inverse of the time, or a power of it.",
    [](v1::InverseTimeSchedule& config, const FieldErrors& errors) {
      if (!config.has_power()) config.set_power(1);
      if (config.every_steps() == 0 && config.every_epochs() == 0) config.set_every_steps(1);
      Require(config.gamma() > 0 && std::isfinite(config.gamma()), errors, "gamma", "finite and above 0",
              config.gamma());
      Require(config.power() > 0 && std::isfinite(config.power()), errors, "power", "finite and above 0",
              config.power());
      const uint64_t every = RequireLength(config.every_steps(), config.every_epochs(), "every", errors);
      return std::make_unique<InverseTimeFactor>(config.gamma(), config.power(), every);
    });

}  // namespace
}  // namespace traind::core
