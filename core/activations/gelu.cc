// y = x Phi(x) (Hendrycks & Gimpel 2016, slide 33), exactly or in one of the two usual approximations.
#include <memory>

#include "absl/strings/str_cat.h"
#include "core/activations/elementwise.h"
#include "core/activations/swish_function.h"

namespace traind::core {
namespace {

// dy/dx = Phi(x) + x phi(x), phi the normal density.
struct GeluErf {
  static constexpr auto kSource = Activation::Source::kInput;
  TRAIND_INLINE float Forward(float x) const { return x * NormalCdf(x); }
  TRAIND_INLINE float Derivative(float x) const {
    constexpr float kInverseRoot = 0.398942280f;  // 1 / sqrt(2 pi)
    return NormalCdf(x) + x * (kInverseRoot * Exp(-0.5f * x * x));
  }
};

// y = x (1 + tanh(u)) / 2 = x sigmoid(2 u), with u = sqrt(2 / pi) (x + 0.044715 x^3): the sigmoid keeps the digits that
// 1 + tanh(u) loses below 0.
struct GeluTanh {
  static constexpr auto kSource = Activation::Source::kInput;
  static constexpr float kTwiceRoot = 1.59576912f;  // 2 sqrt(2 / pi)
  static constexpr float kCubic = 0.044715f;
  // Beyond 10 the sigmoid is 1 to the last bit; the limit keeps the powers finite.
  static TRAIND_INLINE float Limit(float x) {
    x = x > 10.0f ? 10.0f : x;
    return x < -10.0f ? -10.0f : x;
  }
  TRAIND_INLINE float Forward(float x) const {
    const float z = Limit(x);
    return x * Sigmoid(kTwiceRoot * (z + kCubic * z * z * z));
  }
  TRAIND_INLINE float Derivative(float x) const {
    const float z = Limit(x);
    const float s = Sigmoid(kTwiceRoot * (z + kCubic * z * z * z));
    return s + z * (s * (1.0f - s)) * (kTwiceRoot * (1.0f + 3.0f * kCubic * z * z));
  }
};

const Registered<Activation, v1::Gelu> kGelu(
    "x Phi(x): a smooth relu (slide 33).",
    [](v1::Gelu& config, const FieldErrors& errors) -> std::unique_ptr<Activation> {
      if (config.form() == v1::Gelu::FORM_UNSPECIFIED) config.set_form(v1::Gelu::FORM_ERF);
      switch (config.form()) {
        case v1::Gelu::FORM_ERF:
          return std::make_unique<Elementwise<GeluErf>>(GeluErf());
        case v1::Gelu::FORM_TANH:
          return std::make_unique<Elementwise<GeluTanh>>(GeluTanh());
        case v1::Gelu::FORM_SIGMOID:
          return std::make_unique<Elementwise<SwishFunction>>(SwishFunction{1.702f});
        default:
          errors.At("form").Add(absl::StrCat("must be ERF, TANH or SIGMOID, not ", static_cast<int>(config.form())));
          return nullptr;
      }
    });

}  // namespace
}  // namespace traind::core
