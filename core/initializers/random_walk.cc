// N(0, gain^2 / fan_in). Going back through the layers, the logarithm of the gradient's norm does a random walk; the
// gain takes its drift away (Sussillo & Abbott 2014, slide 67): exp(1 / (2 N)) for linear layers, and for relu sqrt(2)
// exp(1.2 / (max(N, 6) - 2.4)), a fit to simulations. N is the fan_in. Xavier and kaiming keep the mean of the squared
// norm, whose logarithm drifts down, the faster the narrower the layers.
#include <algorithm>
#include <cmath>
#include <memory>

#include "absl/strings/str_cat.h"
#include "core/initializers/distributions.h"
#include "core/kinds/initializer.h"

namespace traind::core {
namespace {

class RandomWalkInitializer final : public Initializer {
 public:
  explicit RandomWalkInitializer(bool linear) : linear_(linear) {}

  void Fill(absl::Span<const int64_t> /*shape*/, Fans fans, const RandomStream& random,
            absl::Span<float> values) const override {
    const auto n = static_cast<double>(std::max<int64_t>(1, fans.in));
    const double gain = linear_ ? std::exp(1 / (2 * n)) : std::sqrt(2.0) * std::exp(1.2 / (std::max(n, 6.0) - 2.4));
    FillScaled(random, v1::DISTRIBUTION_NORMAL, gain / std::sqrt(n), values);
  }

 private:
  const bool linear_;
};

const Registered<Initializer, v1::RandomWalk> kRandomWalk(
    "Normal, with the gain that keeps gradients neither growing nor shrinking with depth (slide 67).",
    [](v1::RandomWalk& config, const FieldErrors& errors) {
      if (config.nonlinearity() == v1::RandomWalk::NONLINEARITY_UNSPECIFIED) {
        config.set_nonlinearity(v1::RandomWalk::NONLINEARITY_RELU);
      }
      if (!v1::RandomWalk::Nonlinearity_IsValid(config.nonlinearity())) {
        errors.At("nonlinearity")
            .Add(absl::StrCat("must be RELU or LINEAR, not ", static_cast<int>(config.nonlinearity())));
      }
      return std::make_unique<RandomWalkInitializer>(config.nonlinearity() == v1::RandomWalk::NONLINEARITY_LINEAR);
    });

}  // namespace
}  // namespace traind::core
