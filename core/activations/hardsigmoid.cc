// y = min(max(x + 3, 0), 6) / 6 (Howard et al. 2019). dy/dx = 1/6 between -3 and 3, else 0: it saturates at both ends
// as sigmoid does, and that is what the statistics say of it.
#include <memory>

#include "core/activations/elementwise.h"

namespace traind::core {
namespace {

struct Hardsigmoid {
  static constexpr auto kSource = Activation::Source::kInput;
  TRAIND_INLINE float Forward(float x) const {
    float gate = x + 3.0f;
    gate = gate < 0.0f ? 0.0f : gate;
    gate = gate > 6.0f ? 6.0f : gate;
    return gate * (1.0f / 6.0f);
  }
  TRAIND_INLINE float Derivative(float x) const { return (x > -3.0f) & (x < 3.0f) ? 1.0f / 6.0f : 0.0f; }
};

const Registered<Activation, v1::Hardsigmoid> kHardsigmoid("min(max(x + 3, 0), 6) / 6: sigmoid without an exponential.",
                                                           [](v1::Hardsigmoid&, const FieldErrors&) {
                                                             return std::make_unique<Elementwise<Hardsigmoid>>(
                                                                 Hardsigmoid());
                                                           });

}  // namespace
}  // namespace traind::core
