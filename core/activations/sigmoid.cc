// y = 1 / (1 + exp(-x)) (slides 10-20). dy/dx = y (1 - y).
#include <memory>

#include "core/activations/elementwise.h"

namespace traind::core {
namespace {

struct SigmoidFunction {
  static constexpr auto kSource = Activation::Source::kOutput;
  TRAIND_INLINE float Forward(float x) const { return Sigmoid(x); }
  TRAIND_INLINE float Derivative(float y) const { return y * (1.0f - y); }
};

const Registered<Activation, v1::Sigmoid> kSigmoid(
    "1 / (1 + exp(-x)): saturates and is not zero-centred (slides 10-20).", [](v1::Sigmoid&, const FieldErrors&) {
      return std::make_unique<Elementwise<SigmoidFunction>>(
          SigmoidFunction(),
          ElementwiseTraits{.post_op = Activation::PostOp{.algorithm = dnnl::algorithm::eltwise_logistic}});
    });

}  // namespace
}  // namespace traind::core
