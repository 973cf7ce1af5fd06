// y = log(1 + exp(x)) (slide 34). dy/dx = sigmoid(x) = 1 - exp(-y).
#include <memory>

#include "core/activations/elementwise.h"

namespace traind::core {
namespace {

struct SoftplusFunction {
  static constexpr auto kSource = Activation::Source::kOutput;
  TRAIND_INLINE float Forward(float x) const { return Softplus(x); }
  TRAIND_INLINE float Derivative(float y) const { return -Expm1(-y); }
};

const Registered<Activation, v1::Softplus> kSoftplus("log(1 + exp(x)): a smooth relu (slide 34).",
                                                     [](v1::Softplus&, const FieldErrors&) {
                                                       return std::make_unique<Elementwise<SoftplusFunction>>(
                                                           SoftplusFunction());
                                                     });

}  // namespace
}  // namespace traind::core
