// Elementary functions of floats for loops compiled with TRAIND_VECTORIZED: no branch, no call, no table, so that the
// compiler turns them into vector code. Polynomials are own minimax fits over the reduced ranges.
//
// The errors stated are the largest measured against double (tests/core/base/math_test.cc holds them to it); "ulp" is
// the distance in units of the last place of the result. NaN gives NaN everywhere. Thread-safe: pure functions.
#pragma once

#include <bit>
#include <cstdint>

#include "core/base/vectorize.h"

namespace traind::core {

namespace math_internal {

// x = n ln 2 + r with |r| <= ln 2 / 2; n as two powers of two, which together cover denormal results too.
struct ExpParts {
  float fraction;  // exp(r) - 1
  float scale;     // scale * scale2 = 2^n
  float scale2;
};

TRAIND_INLINE ExpParts SplitExp(float x) {
  constexpr float kRound = 0x1.8p23f;  // Adding it rounds to an integer, which then is in the lowest bits.
  const float shifted = x * 1.44269504f + kRound;
  const int32_t n = std::bit_cast<int32_t>(shifted) - std::bit_cast<int32_t>(kRound);
  const float rounded = shifted - kRound;
  const float r = (x - rounded * 0.693359375f) - rounded * -2.12194440e-4f;
  float p = 0.000199160204f;
  p = p * r + 0.00139464636f;
  p = p * r + 0.00833326858f;
  p = p * r + 0.0416662656f;
  p = p * r + 0.166666672f;
  p = p * r + 0.5f;
  const int32_t half = n >> 1;
  return {p * r * r + r, std::bit_cast<float>((half + 127) << 23), std::bit_cast<float>((n - half + 127) << 23)};
}

// log(1 + f) for f in [-0.293, 0.415], as f + the correction returned.
TRAIND_INLINE float Log1pTail(float f) {
  float p = 0.0691678077f;
  p = p * f - 0.117918223f;
  p = p * f + 0.11873436f;
  p = p * f - 0.123840615f;
  p = p * f + 0.142185628f;
  p = p * f - 0.166692629f;
  p = p * f + 0.20002231f;
  p = p * f - 0.249999866f;
  p = p * f + 0.333333105f;
  const float square = f * f;
  return p * f * square - 0.5f * square;
}

inline constexpr float kLn2High = 0.693359375f;  // Few bits, so that its product with a small integer is exact.
inline constexpr float kLn2Low = -2.12194440e-4f;

}  // namespace math_internal

// The sign of `sign` on the magnitude of `value`.
TRAIND_INLINE float CopySign(float value, float sign) {
  return std::bit_cast<float>((std::bit_cast<uint32_t>(value) & 0x7fffffffu) |
                              (std::bit_cast<uint32_t>(sign) & 0x80000000u));
}

TRAIND_INLINE float Abs(float x) { return std::bit_cast<float>(std::bit_cast<uint32_t>(x) & 0x7fffffffu); }

// exp(x), 2 ulp for normal results; infinity above 88.73, 0 below -104.
TRAIND_INLINE float Exp(float x) {
  x = x < -110.0f ? -110.0f : x;
  x = x > 90.0f ? 90.0f : x;
  const math_internal::ExpParts parts = math_internal::SplitExp(x);
  return (parts.fraction * parts.scale + parts.scale) * parts.scale2;
}

// exp(x) - 1, 3 ulp, also close to 0; infinity above 88.73.
TRAIND_INLINE float Expm1(float x) {
  x = x < -30.0f ? -30.0f : x;
  x = x > 90.0f ? 90.0f : x;
  const math_internal::ExpParts parts = math_internal::SplitExp(x);
  // 2^n - 1 is exact for small |n|, and n = 0 leaves the fraction alone.
  const float scaled = parts.fraction * parts.scale;
  const float small = scaled * parts.scale2 + (parts.scale * parts.scale2 - 1.0f);
  const float large = (scaled + parts.scale) * parts.scale2;  // Where 2^n overflows but exp(x) may not.
  return x > 80.0f ? large : small;
}

// log(x) for normal positive x, 2 ulp. Other x give no meaningful number.
TRAIND_INLINE float Log(float x) {
  constexpr int32_t kSqrtHalf = 0x3f3504f3;  // The mantissa is brought to [sqrt(1/2), sqrt(2)).
  const int32_t bits = std::bit_cast<int32_t>(x) - kSqrtHalf;
  const float exponent = static_cast<float>(bits >> 23);
  const float f = std::bit_cast<float>((bits & 0x7fffff) + kSqrtHalf) - 1.0f;
  return (math_internal::Log1pTail(f) + exponent * math_internal::kLn2Low) + f + exponent * math_internal::kLn2High;
}

// log(1 + x) for x in [0, 1], 2 ulp.
TRAIND_INLINE float Log1p(float x) {
  const bool halve = x > 0.41421356f;
  const float f = halve ? (x - 1.0f) * 0.5f : x;  // 1 + x = 2 (1 + f), where it is halved.
  const float low = halve ? math_internal::kLn2Low : 0.0f;
  const float high = halve ? math_internal::kLn2High : 0.0f;
  return (math_internal::Log1pTail(f) + low) + f + high;
}

// 1 / (1 + exp(-x)), 4 ulp for normal results.
TRAIND_INLINE float Sigmoid(float x) { return 1.0f / (1.0f + Exp(-x)); }

// tanh(x), 4 ulp.
TRAIND_INLINE float Tanh(float x) {
  float twice = 2.0f * Abs(x);
  twice = twice > 20.0f ? 20.0f : twice;  // tanh(10) rounds to 1.
  const float e = Expm1(twice);
  return CopySign(e / (e + 2.0f), x);
}

// log(1 + exp(x)), 4 ulp for normal results, without overflow.
TRAIND_INLINE float Softplus(float x) {
  const float tail = Log1p(Exp(-Abs(x)));
  return x < 0.0f ? tail : x + tail;
}

// The error function, 3 ulp.
TRAIND_INLINE float Erf(float x) {
  const float a = Abs(x);
  const float t = a > 1.0f ? 1.0f : a * a;  // Keeps the unused branch finite.
  float near = 0.000112705413f - 9.68012591e-06f * t;
  near = near * t - 0.000848471071f;
  near = near * t + 0.00522107491f;
  near = near * t - 0.0268654451f;
  near = near * t + 0.112837829f;
  near = near * t - 0.376126379f;
  near = near * t + 0.128379166f;
  const float b = a > 4.0f ? 4.0f : a;                 // 1 - erf(4) is below half an ulp.
  float far = -0.000439108728f + 2.14963256e-05f * b;  // -log(1 - erf(b))
  far = far * b + 0.00419362215f;
  far = far * b - 0.025178995f;
  far = far * b + 0.108372517f;
  far = far * b + 0.633262575f;
  far = far * b + 1.12955689f;
  far = far * b - 0.000183447599f;
  return CopySign(a > 1.0f ? 1.0f - Exp(-far) : a + a * near, x);
}

// The cumulative function of the normal distribution; absolute error 1e-7.
TRAIND_INLINE float NormalCdf(float x) { return 0.5f + 0.5f * Erf(x * 0.707106781f); }

// sin(2 pi t) and cos(2 pi t) for t in [0, 1]; absolute error 2e-7.
struct SinCos {
  float sin;
  float cos;
};
TRAIND_INLINE SinCos SinCosTurns(float t) {
  constexpr float kRound = 0x1.8p23f;
  const float shifted = t * 4.0f + kRound;
  const uint32_t quarter = std::bit_cast<uint32_t>(shifted);  // Its two lowest bits.
  const float r = t - (shifted - kRound) * 0.25f;             // Exact, |r| <= 1/8.
  const float s = r * r;
  float odd = 41.47295f;
  odd = odd * s - 76.6978683f;
  odd = odd * s + 81.6052017f;
  odd = odd * s - 41.3417015f;
  odd = odd * s + 6.28318548f;
  odd *= r;
  float even = 59.2459564f;
  even = even * s - 85.4437408f;
  even = even * s + 64.9393234f;
  even = even * s - 19.7392082f;
  even = even * s + 1.0f;
  const bool swap = (quarter & 1u) != 0;
  const float sine = swap ? even : odd;
  const float cosine = swap ? odd : even;
  const uint32_t sine_sign = (quarter & 2u) << 30;
  const uint32_t cosine_sign = ((quarter + 1u) & 2u) << 30;
  return {std::bit_cast<float>(std::bit_cast<uint32_t>(sine) ^ sine_sign),
          std::bit_cast<float>(std::bit_cast<uint32_t>(cosine) ^ cosine_sign)};
}

}  // namespace traind::core
