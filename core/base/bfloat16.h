// bfloat16 as the kernels store it: the upper half of a float32. For loops compiled with TRAIND_VECTORIZED.
#pragma once

#include <bit>
#include <cstdint>

#include "core/base/vectorize.h"

namespace traind::core {

struct Bfloat16 {
  uint16_t bits;
};

TRAIND_INLINE float ToFloat(float value) { return value; }
TRAIND_INLINE float ToFloat(Bfloat16 value) { return std::bit_cast<float>(static_cast<uint32_t>(value.bits) << 16); }

// Rounds to nearest, ties to even; NaN stays NaN.
template <class T>
TRAIND_INLINE T FromFloat(float value);
template <>
TRAIND_INLINE float FromFloat<float>(float value) {
  return value;
}
template <>
TRAIND_INLINE Bfloat16 FromFloat<Bfloat16>(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint32_t rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16;
  const uint32_t quiet = (bits >> 16) | 0x40;
  return {static_cast<uint16_t>(value != value ? quiet : rounded)};
}

// out[i] = w[i], rounded. Vectorized; no overlap.
void Round(const float* w, int64_t n, Bfloat16* out);

}  // namespace traind::core
