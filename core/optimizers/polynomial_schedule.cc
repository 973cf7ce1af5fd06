// final_factor + (1 - final_factor) (1 - t / T)^power, as PyTorch's PolynomialLR and Caffe's "poly".
#include <cmath>
#include <memory>

#include "core/kinds/optimizer.h"
#include "core/optimizers/schedule_parts.h"

namespace traind::core {
namespace {

class PolynomialFactor final : public Schedule {
 public:
  PolynomialFactor(double power, double final_factor) : power_(power), final_factor_(final_factor) {}
  double Factor(uint64_t t, uint64_t total) const override {
    return final_factor_ + (1 - final_factor_) * std::pow(1 - Progress(t, total), power_);
  }

 private:
  const double power_;
  const double final_factor_;
};

const Registered<Schedule, v1::PolynomialSchedule> kPolynomial(
    "From 1 to the final factor along a power of what is left of the job.",
    [](v1::PolynomialSchedule& config, const FieldErrors& errors) {
      if (!config.has_power()) config.set_power(1);
      Require(config.power() > 0 && std::isfinite(config.power()), errors, "power", "finite and above 0",
              config.power());
      RequireFinalFactor(config.final_factor(), errors);
      return std::make_unique<PolynomialFactor>(config.power(), config.final_factor());
    });

}  // namespace
}  // namespace traind::core
