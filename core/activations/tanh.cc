// y = tanh(x) (slide 21). dy/dx = 1 - y^2.
#include <memory>

#include "core/activations/elementwise.h"

namespace traind::core {
namespace {

struct TanhFunction {
  static constexpr auto kSource = Activation::Source::kOutput;
  TRAIND_INLINE float Forward(float x) const { return Tanh(x); }
  TRAIND_INLINE float Derivative(float y) const { return 1.0f - y * y; }
};

const Registered<Activation, v1::Tanh> kTanh(
    "tanh(x): zero-centred, but saturates (slide 21).", [](v1::Tanh&, const FieldErrors&) {
      return std::make_unique<Elementwise<TanhFunction>>(
          TanhFunction(), ElementwiseTraits{.post_op = Activation::PostOp{.algorithm = dnnl::algorithm::eltwise_tanh}});
    });

}  // namespace
}  // namespace traind::core
