// y = x for x > 0, else a x (slide 28). y has the sign of x, so the derivative can be had from y; at 0 it is a.
#include <memory>

#include "core/activations/elementwise.h"
#include "core/base/require.h"

namespace traind::core {
namespace {

struct LeakyRelu {
  static constexpr auto kSource = Activation::Source::kOutput;
  float slope;
  TRAIND_INLINE float Forward(float x) const { return x > 0.0f ? x : slope * x; }
  TRAIND_INLINE float Derivative(float y) const { return y > 0.0f ? 1.0f : slope; }
};

const Registered<Activation, v1::LeakyRelu> kLeakyRelu(
    "max(a x, x): does not die (slide 28).", [](v1::LeakyRelu& config, const FieldErrors& errors) {
      if (!config.has_negative_slope()) config.set_negative_slope(0.1);
      Require(config.negative_slope() >= 0 && config.negative_slope() < 1, errors, "negative_slope", "in [0, 1)",
              config.negative_slope());
      const auto slope = static_cast<float>(config.negative_slope());
      return std::make_unique<Elementwise<LeakyRelu>>(
          LeakyRelu{slope},
          ElementwiseTraits{.post_op = Activation::PostOp{.algorithm = dnnl::algorithm::eltwise_relu, .alpha = slope},
                            .homogeneous = true});
    });

}  // namespace
}  // namespace traind::core
