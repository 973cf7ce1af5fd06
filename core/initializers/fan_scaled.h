// What kaiming and xavier share: zero mean and std = gain / sqrt(fan), by the config's fan and distribution.
#pragma once

#include <cmath>

#include "core/initializers/distributions.h"
#include "core/kinds/initializer.h"

namespace traind::core {

class FanScaled : public Initializer {
 public:
  // `fan` and `distribution` are not UNSPECIFIED.
  FanScaled(v1::Fan fan, v1::Distribution distribution, double gain)
      : fan_(fan), distribution_(distribution), gain_(gain) {}

  void Fill(absl::Span<const int64_t> /*shape*/, Fans fans, const RandomStream& random,
            absl::Span<float> values) const override {
    FillScaled(random, distribution_, gain_ / std::sqrt(FanOf(fan_, fans)), values);
  }

 private:
  const v1::Fan fan_;
  const v1::Distribution distribution_;
  const double gain_;
};

// The defaults of `fan` and `distribution`; violations where they are no known value.
template <class Config>
void ResolveFanScaled(Config& config, const FieldErrors& errors) {
  if (config.fan() == v1::FAN_UNSPECIFIED) config.set_fan(v1::FAN_IN);
  if (config.distribution() == v1::DISTRIBUTION_UNSPECIFIED) config.set_distribution(v1::DISTRIBUTION_NORMAL);
  CheckFan(config.fan(), errors.At("fan"));
  CheckDistribution(config.distribution(), errors.At("distribution"));
}

}  // namespace traind::core
