// y = x sigmoid(b x), which is swish (slide 34) and, with b = 1.702, an approximation of gelu.
#pragma once

#include "core/base/math.h"
#include "core/kinds/activation.h"

namespace traind::core {

// dy/dx = s + b x s (1 - s), with s = sigmoid(b x).
struct SwishFunction {
  static constexpr auto kSource = Activation::Source::kInput;
  float beta;
  TRAIND_INLINE float Forward(float x) const { return x * Sigmoid(beta * x); }
  TRAIND_INLINE float Derivative(float x) const {
    float z = beta * x;
    z = z > 100.0f ? 100.0f : z;  // Where s (1 - s) is 0, z must stay finite.
    z = z < -100.0f ? -100.0f : z;
    const float s = Sigmoid(z);
    return s + z * (s * (1.0f - s));
  }
};

}  // namespace traind::core
