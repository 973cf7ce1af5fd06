// y = x for x > 0, else a (exp(x) - 1) (Clevert et al. 2015, slide 30). Below 0, dy/dx = a exp(x) = y + a.
#include <memory>

#include "core/activations/elementwise.h"
#include "core/base/require.h"

namespace traind::core {
namespace {

struct Elu {
  static constexpr auto kSource = Activation::Source::kOutput;
  float alpha;
  TRAIND_INLINE float Forward(float x) const { return x > 0.0f ? x : alpha * Expm1(x); }
  TRAIND_INLINE float Derivative(float y) const { return y > 0.0f ? 1.0f : y + alpha; }
};

const Registered<Activation, v1::Elu> kElu(
    "x, or a (exp(x) - 1) below 0: closer to zero-mean outputs than relu (slide 30).",
    [](v1::Elu& config, const FieldErrors& errors) {
      if (!config.has_alpha()) config.set_alpha(1);
      Require(IsPositiveFloat(config.alpha()), errors, "alpha", "finite and above 0", config.alpha());
      const auto alpha = static_cast<float>(config.alpha());
      return std::make_unique<Elementwise<Elu>>(
          Elu{alpha},
          ElementwiseTraits{.post_op = Activation::PostOp{.algorithm = dnnl::algorithm::eltwise_elu, .alpha = alpha}});
    });

}  // namespace
}  // namespace traind::core
