#include "core/base/finite.h"

#include <bit>
#include <cmath>
#include <limits>

#include "core/base/vectorize.h"

namespace traind::core {
namespace {

// The bits of a magnitude are ordered as the magnitudes are, with NaN above infinity.
TRAIND_VECTORIZED uint32_t LargestBits(const float* x, int64_t n) {
  uint32_t largest = 0;
#pragma omp simd reduction(max : largest)
  for (int64_t i = 0; i < n; ++i) {
    const uint32_t bits = std::bit_cast<uint32_t>(x[i]) & 0x7FFFFFFFu;
    largest = bits > largest ? bits : largest;
  }
  return largest;
}

TRAIND_VECTORIZED uint16_t LargestBits(const Bfloat16* x, int64_t n) {
  uint16_t largest = 0;
#pragma omp simd reduction(max : largest)
  for (int64_t i = 0; i < n; ++i) {
    const auto bits = static_cast<uint16_t>(x[i].bits & 0x7FFFu);
    largest = bits > largest ? bits : largest;
  }
  return largest;
}

float OrInfinity(float magnitude) { return std::isnan(magnitude) ? std::numeric_limits<float>::infinity() : magnitude; }

}  // namespace

float MaxMagnitude(const float* x, int64_t n) { return OrInfinity(std::bit_cast<float>(LargestBits(x, n))); }
float MaxMagnitude(const Bfloat16* x, int64_t n) { return OrInfinity(ToFloat(Bfloat16{LargestBits(x, n)})); }
bool AllFinite(const float* x, int64_t n) { return std::isfinite(MaxMagnitude(x, n)); }
bool AllFinite(const Bfloat16* x, int64_t n) { return std::isfinite(MaxMagnitude(x, n)); }

}  // namespace traind::core
