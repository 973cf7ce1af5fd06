// Initializers without randomness: zeros and constant.
#include <algorithm>
#include <memory>

#include "core/base/require.h"
#include "core/kinds/initializer.h"

namespace traind::core {
namespace {

class ConstantInitializer final : public Initializer {
 public:
  explicit ConstantInitializer(float value) : value_(value) {}

  void Fill(absl::Span<const int64_t> /*shape*/, Fans /*fans*/, const RandomStream& /*random*/,
            absl::Span<float> values) const override {
    std::fill(values.begin(), values.end(), value_);
  }
  bool breaks_symmetry() const override { return false; }

 private:
  const float value_;
};

const Registered<Initializer, v1::Zeros> kZeros(
    "All zero: right for biases; weights that start so break no symmetry (slide 45).",
    [](v1::Zeros&, const FieldErrors&) { return std::make_unique<ConstantInitializer>(0.0f); });

const Registered<Initializer, v1::Constant> kConstant("Every value the same.", [](v1::Constant& config,
                                                                                  const FieldErrors& errors) {
  Require(IsFiniteFloat(config.value()), errors, "value", "a finite float", config.value());
  return std::make_unique<ConstantInitializer>(static_cast<float>(config.value()));
});

}  // namespace
}  // namespace traind::core
