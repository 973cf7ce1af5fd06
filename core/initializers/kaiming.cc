// std = sqrt(2 / (1 + a^2)) / sqrt(fan): keeps the variance through relu and its leaky kin (He et al. 2015, slide 64).
#include <cmath>
#include <memory>

#include "core/base/require.h"
#include "core/initializers/fan_scaled.h"

namespace traind::core {
namespace {

const Registered<Initializer, v1::Kaiming> kKaiming(
    "std = sqrt(2 / fan), for relu and its leaky kin (slide 64).", [](v1::Kaiming& config, const FieldErrors& errors) {
      ResolveFanScaled(config, errors);
      const double slope = config.negative_slope();
      Require(IsFiniteFloat(slope), errors, "negative_slope", "a finite float", slope);
      return std::make_unique<FanScaled>(config.fan(), config.distribution(), std::sqrt(2 / (1 + slope * slope)));
    });

}  // namespace
}  // namespace traind::core
