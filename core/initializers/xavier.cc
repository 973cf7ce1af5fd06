// std = gain / sqrt(fan): keeps the variance through linear and tanh layers (Glorot & Bengio 2010, slides 54-61).
#include <memory>

#include "core/base/require.h"
#include "core/initializers/fan_scaled.h"

namespace traind::core {
namespace {

class XavierInitializer final : public FanScaled {
 public:
  using FanScaled::FanScaled;
  bool suits_relu() const override { return false; }
};

const Registered<Initializer, v1::Xavier> kXavier("std = gain / sqrt(fan), for tanh and linear layers (slides 54-61).",
                                                  [](v1::Xavier& config, const FieldErrors& errors) {
                                                    ResolveFanScaled(config, errors);
                                                    if (!config.has_gain()) config.set_gain(1);
                                                    Require(config.gain() > 0 && IsFiniteFloat(config.gain()), errors,
                                                            "gain", "finite and above 0", config.gain());
                                                    return std::make_unique<XavierInitializer>(
                                                        config.fan(), config.distribution(), config.gain());
                                                  });

}  // namespace
}  // namespace traind::core
