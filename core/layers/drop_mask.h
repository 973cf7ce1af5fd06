// The mask of layers that drop single values. Which values are dropped depends on (seed, purpose, stream, step,
// example, element) alone, so the mask is the same with any number of threads, and after any resume. Thread-safe.
#pragma once

#include <cmath>
#include <cstdint>

#include "core/base/bfloat16.h"
#include "core/base/random.h"
#include "core/base/vectorize.h"

namespace traind::core {

// Elements whose mask is drawn at once, into 1 KiB of stack: a multiple of the 64 numbers of 16 random blocks.
inline constexpr int64_t kDraw = 1024;

// Of DrawMask, for values that are dropped with the chance `rate`.
inline uint32_t DropThreshold(double rate) { return static_cast<uint32_t>(std::ceil(rate * 0x1p24)); }

// keep[i] = 1 where element first + i of the example stays, else 0; `first` is a multiple of 4, `n` at most kDraw, and
// keep has room for the next multiple of 64. An element stays with probability 1 - threshold / 2^24.
template <class Byte>
TRAIND_VECTORIZED void DrawMask(const RandomStream& random, uint64_t step, uint32_t example, int64_t first, int64_t n,
                                uint32_t threshold, Byte* keep) {
  constexpr int kLanes = 16;
  uint32_t words[4][kLanes];
  for (int64_t i = 0; i < n; i += int64_t{4} * kLanes) {
    random.Blocks(step, example, static_cast<uint32_t>((first + i) / 4), words);
    for (int lane = 0; lane < kLanes; ++lane) {
      for (int w = 0; w < 4; ++w) keep[i + 4 * lane + w] = (words[w][lane] >> 8) >= threshold;
    }
  }
}

// y = x scale where it is kept, else 0; y may be x.
template <class T>
TRAIND_VECTORIZED void ApplyMask(const T* x, const uint8_t* keep, float scale, T* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = FromFloat<T>(keep[i] ? ToFloat(x[i]) * scale : 0.0f);
}

}  // namespace traind::core
