// y = max(0, x) (slides 22-27). The derivative at 0 is 0. A unit that is never active gets no gradient: it can die.
#include <memory>

#include "core/activations/elementwise.h"

namespace traind::core {
namespace {

struct Relu {
  static constexpr auto kSource = Activation::Source::kOutput;
  TRAIND_INLINE float Forward(float x) const { return x < 0.0f ? 0.0f : x; }  // NaN stays visible.
  TRAIND_INLINE float Derivative(float y) const { return y > 0.0f ? 1.0f : 0.0f; }
};

const Registered<Activation, v1::Relu> kRelu(
    "max(0, x): does not saturate for x > 0 and converges fast, but units can die (slides 22-27).",
    [](v1::Relu&, const FieldErrors&) {
      return std::make_unique<Elementwise<Relu>>(
          Relu(), ElementwiseTraits{
                      .post_op = Activation::PostOp{.algorithm = dnnl::algorithm::eltwise_relu},
                      .is_relu = true,
                      .can_die = true,
                      .homogeneous = true,
                  });
    });

}  // namespace
}  // namespace traind::core
