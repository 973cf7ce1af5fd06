// N(mean, std^2) with a std that does not depend on the layer's size (slides 46-53).
#include <memory>

#include "core/base/require.h"
#include "core/initializers/distributions.h"
#include "core/kinds/initializer.h"

namespace traind::core {
namespace {

class NormalInitializer final : public Initializer {
 public:
  NormalInitializer(float mean, float std) : mean_(mean), std_(std) {}

  void Fill(absl::Span<const int64_t> /*shape*/, Fans /*fans*/, const RandomStream& random,
            absl::Span<float> values) const override {
    FillNormal(random, mean_, std_, values);
  }
  bool breaks_symmetry() const override { return std_ > 0; }

 private:
  const float mean_;
  const float std_;
};

const Registered<Initializer, v1::Normal> kNormal(
    "Normal with a given mean and std (slides 46-53).", [](v1::Normal& config, const FieldErrors& errors) {
      if (!config.has_std()) config.set_std(0.01);
      Require(IsFiniteFloat(config.mean()), errors, "mean", "a finite float", config.mean());
      Require(config.std() >= 0 && IsFiniteFloat(config.std()), errors, "std", "finite and at least 0", config.std());
      return std::make_unique<NormalInitializer>(static_cast<float>(config.mean()), static_cast<float>(config.std()));
    });

}  // namespace
}  // namespace traind::core
