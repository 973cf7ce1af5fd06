// y = l x for x > 0, else l a (exp(x) - 1), with the constants for which activations normalize themselves (Klambauer et
// al. 2017, slides 31-32). Below 0, dy/dx = l a exp(x) = y + l a.
#include <memory>

#include "core/activations/elementwise.h"

namespace traind::core {
namespace {

struct Selu {
  static constexpr auto kSource = Activation::Source::kOutput;
  static constexpr float kScale = 1.0507009873554804934193349852946f;
  static constexpr float kScaledAlpha =
      static_cast<float>(1.0507009873554804934193349852946 * 1.6732632423543772848170429916717);
  TRAIND_INLINE float Forward(float x) const { return x > 0.0f ? kScale * x : kScaledAlpha * Expm1(x); }
  TRAIND_INLINE float Derivative(float y) const { return y > 0.0f ? kScale : y + kScaledAlpha; }
};

const Registered<Activation, v1::Selu> kSelu(
    "A scaled elu under which deep networks normalize themselves (slides 31-32).",
    [](v1::Selu&, const FieldErrors&) { return std::make_unique<Elementwise<Selu>>(Selu()); });

}  // namespace
}  // namespace traind::core
