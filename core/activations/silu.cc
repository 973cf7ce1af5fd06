// y = x sigmoid(x) (Hendrycks & Gimpel 2016; Elfwing et al. 2018), which is swish with b = 1 (slide 34).
#include <memory>

#include "core/activations/elementwise.h"
#include "core/activations/swish_function.h"

namespace traind::core {
namespace {

const Registered<Activation, v1::Silu> kSilu("x sigmoid(x): swish with b = 1 (slide 34).",
                                             [](v1::Silu&, const FieldErrors&) {
                                               return std::make_unique<Elementwise<SwishFunction>>(SwishFunction{1});
                                             });

}  // namespace
}  // namespace traind::core
