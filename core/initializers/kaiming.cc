// std = sqrt(2 / (1 + a^2)) / sqrt(fan): keeps the variance through relu and its leaky kin (He et al. 2015, slide 64).
#include <cmath>
#include <memory>

#include "core/base/require.h"
#include "core/initializers/distributions.h"
#include "core/kinds/initializer.h"

namespace traind::core {
namespace {

class KaimingInitializer final : public Initializer {
 public:
  explicit KaimingInitializer(const v1::Kaiming& config)
      : fan_(config.fan()),
        distribution_(config.distribution()),
        gain_(std::sqrt(2 / (1 + config.negative_slope() * config.negative_slope()))) {}

  void Fill(absl::Span<const int64_t> /*shape*/, Fans fans, const RandomStream& random,
            absl::Span<float> values) const override {
    FillScaled(random, distribution_, gain_ / std::sqrt(FanOf(fan_, fans)), values);
  }

 private:
  const v1::Fan fan_;
  const v1::Distribution distribution_;
  const double gain_;
};

const Registered<Initializer, v1::Kaiming> kKaiming("std = sqrt(2 / fan), for relu and its leaky kin (slide 64).",
                                                    [](v1::Kaiming& config, const FieldErrors& errors) {
                                                      v1::Fan fan = config.fan();
                                                      v1::Distribution distribution = config.distribution();
                                                      ResolveFan(errors, fan);
                                                      ResolveDistribution(errors, distribution);
                                                      config.set_fan(fan);
                                                      config.set_distribution(distribution);
                                                      Require(IsFiniteFloat(config.negative_slope()), errors,
                                                              "negative_slope", "a finite float",
                                                              config.negative_slope());
                                                      return std::make_unique<KaimingInitializer>(config);
                                                    });

}  // namespace
}  // namespace traind::core
