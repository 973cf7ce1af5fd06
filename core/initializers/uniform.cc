// U(low, high)
#include <memory>

#include "core/base/require.h"
#include "core/initializers/distributions.h"
#include "core/kinds/initializer.h"

namespace traind::core {
namespace {

class UniformInitializer final : public Initializer {
 public:
  UniformInitializer(float low, float high) : low_(low), high_(high) {}

  void Fill(absl::Span<const int64_t> /*shape*/, Fans /*fans*/, const RandomStream& random,
            absl::Span<float> values) const override {
    FillUniform(random, low_, high_, values);
  }

 private:
  const float low_;
  const float high_;
};

const Registered<Initializer, v1::Uniform> kUniform("Uniform between two bounds.", [](v1::Uniform& config,
                                                                                      const FieldErrors& errors) {
  if (!config.has_low()) config.set_low(-0.05);
  if (!config.has_high()) config.set_high(0.05);
  Require(IsFiniteFloat(config.low()), errors, "low", "a finite float", config.low());
  Require(config.high() > config.low() && IsFiniteFloat(config.high() - config.low()), errors, "high",
          "above `low` by a finite float", config.high());
  return std::make_unique<UniformInitializer>(static_cast<float>(config.low()), static_cast<float>(config.high()));
});

}  // namespace
}  // namespace traind::core
