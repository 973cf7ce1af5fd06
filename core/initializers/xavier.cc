// std = gain / sqrt(fan): keeps the variance through linear and tanh layers (Glorot & Bengio 2010, slides 54-61).
#include <cmath>
#include <memory>

#include "core/base/require.h"
#include "core/initializers/distributions.h"
#include "core/kinds/initializer.h"

namespace traind::core {
namespace {

class XavierInitializer final : public Initializer {
 public:
  explicit XavierInitializer(const v1::Xavier& config)
      : fan_(config.fan()), distribution_(config.distribution()), gain_(config.gain()) {}

  void Fill(absl::Span<const int64_t> /*shape*/, Fans fans, const RandomStream& random,
            absl::Span<float> values) const override {
    FillScaled(random, distribution_, gain_ / std::sqrt(FanOf(fan_, fans)), values);
  }

 private:
  const v1::Fan fan_;
  const v1::Distribution distribution_;
  const double gain_;
};

const Registered<Initializer, v1::Xavier> kXavier("std = gain / sqrt(fan), for tanh and linear layers (slides 54-61).",
                                                  [](v1::Xavier& config, const FieldErrors& errors) {
                                                    v1::Fan fan = config.fan();
                                                    v1::Distribution distribution = config.distribution();
                                                    ResolveFan(errors, fan);
                                                    ResolveDistribution(errors, distribution);
                                                    config.set_fan(fan);
                                                    config.set_distribution(distribution);
                                                    if (!config.has_gain()) config.set_gain(1);
                                                    Require(config.gain() > 0 && IsFiniteFloat(config.gain()), errors,
                                                            "gain", "finite and above 0", config.gain());
                                                    return std::make_unique<XavierInitializer>(config);
                                                  });

}  // namespace
}  // namespace traind::core
