// y = x sigmoid(b x), which is swish (slide 34) and, with b = 1.702, an approximation of gelu.
#pragma once

#include "core/activations/activation.h"
#include "core/base/math.h"

namespace traind::core {

// dy/dx = s + b x s (1 - s), with s = sigmoid(b x).
struct SwishFunction {
  static constexpr auto kSource = Activation::Source::kInput;
  float beta;
  TRAIND_INLINE float Forward(float x) const { return x * Sigmoid(beta * x); }
  TRAIND_INLINE float Derivative(float x) const {
    const float s = Sigmoid(beta * x);
    return s + beta * x * (s * (1.0f - s));
  }
};

}  // namespace traind::core
