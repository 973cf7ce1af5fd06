// y = x tanh(softplus(x)) (Misra 2019). With e = exp(x) and n = e (e + 2), tanh(softplus(x)) = n / (n + 2), and
// dy/dx = n / (n + 2) + 4 x e (e + 1) / (n + 2)^2.
#include <memory>

#include "core/activations/elementwise.h"

namespace traind::core {
namespace {

struct Mish {
  static constexpr auto kSource = Activation::Source::kInput;
  // From 20 on, n / (n + 2) and the derivative are 1 to the last bit; the limit keeps n^2 finite.
  static TRAIND_INLINE float Limit(float x) { return x > 20.0f ? 20.0f : x; }
  TRAIND_INLINE float Forward(float x) const {
    const float e = Exp(Limit(x));
    const float n = e * (e + 2.0f);
    return x * (n / (n + 2.0f));
  }
  TRAIND_INLINE float Derivative(float x) const {
    const float z = Limit(x);
    const float e = Exp(z);
    const float n = e * (e + 2.0f);
    const float inverse = 1.0f / (n + 2.0f);
    return n * inverse + z * (4.0f * e * (e + 1.0f) * inverse * inverse);
  }
};

const Registered<Activation, v1::Mish> kMish("x tanh(softplus(x)): a smooth, not monotone relu.",
                                             [](v1::Mish&, const FieldErrors&) {
                                               return std::make_unique<Elementwise<Mish>>(Mish());
                                             });

}  // namespace
}  // namespace traind::core
