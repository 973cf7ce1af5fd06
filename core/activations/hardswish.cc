// y = x min(max(x + 3, 0), 6) / 6 (Howard et al. 2019).
#include <memory>

#include "core/activations/elementwise.h"

namespace traind::core {
namespace {

struct Hardswish {
  static constexpr auto kSource = Activation::Source::kInput;
  TRAIND_INLINE float Forward(float x) const {
    float gate = x + 3.0f;
    gate = gate < 0.0f ? 0.0f : gate;
    gate = gate > 6.0f ? 6.0f : gate;
    return x * gate * (1.0f / 6.0f);
  }
  TRAIND_INLINE float Derivative(float x) const {
    const float inner = x * (1.0f / 3.0f) + 0.5f;
    return x < -3.0f ? 0.0f : (x > 3.0f ? 1.0f : inner);
  }
};

const Registered<Activation, v1::Hardswish> kHardswish("x min(max(x + 3, 0), 6) / 6: swish without an exponential.",
                                                       [](v1::Hardswish&, const FieldErrors&) {
                                                         return std::make_unique<Elementwise<Hardswish>>(Hardswish());
                                                       });

}  // namespace
}  // namespace traind::core
