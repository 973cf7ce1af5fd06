// From 1 to final_factor along half a cosine, again and again (Loshchilov & Hutter 2017), as PyTorch's
// CosineAnnealingWarmRestarts.
#include <cmath>
#include <memory>

#include "core/kinds/optimizer.h"
#include "core/optimizers/schedule_parts.h"

namespace traind::core {
namespace {

class CosineRestartsFactor final : public Schedule {
 public:
  CosineRestartsFactor(uint64_t first_steps, uint64_t multiplier, double final_factor)
      : first_steps_(first_steps), multiplier_(multiplier), final_factor_(final_factor) {}

  double Factor(uint64_t t, uint64_t /*total*/) const override {
    uint64_t length = first_steps_;
    if (multiplier_ == 1) {
      t %= length;
    } else {
      // At most 64 times: the length doubles at least, and is at most t.
      while (t >= length) {
        t -= length;
        length *= multiplier_;
      }
    }
    return HalfCosine(1, final_factor_, static_cast<double>(t) / static_cast<double>(length));
  }

 private:
  const uint64_t first_steps_;
  const uint64_t multiplier_;
  const double final_factor_;
};

const Registered<Schedule, v1::CosineRestartsSchedule> kCosineRestarts(
    "From 1 to the final factor along half a cosine, and again (Loshchilov & Hutter 2017).",
    [](v1::CosineRestartsSchedule& config, const FieldErrors& errors) {
      if (!config.has_multiplier()) config.set_multiplier(1);
      Require(config.multiplier() >= 1 && config.multiplier() <= 1000, errors, "multiplier", "1 to 1000",
              config.multiplier());
      RequireFinalFactor(config.final_factor(), errors);
      const uint64_t first = RequireLength(config.first_steps(), config.first_epochs(), "first", errors);
      return std::make_unique<CosineRestartsFactor>(first, std::max(1u, config.multiplier()), config.final_factor());
    });

}  // namespace
}  // namespace traind::core
