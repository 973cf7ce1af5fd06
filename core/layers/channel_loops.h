// What layers of our own do with the channels of a tensor in any layout: an offset or a factor for each, and sums over
// each. Padding stays zero. Sums are float32 in runs, double over them, and depend on the shape alone. Thread-safe:
// pure; the work is spread by ParallelFor.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/base/bfloat16.h"
#include "core/base/parallel.h"
#include "core/base/vectorize.h"
#include "core/tensor/layout.h"

namespace traind::core {

// Channels whose sums are on the stack.
inline constexpr int64_t kChannelRange = 64;

template <class T>
TRAIND_VECTORIZED void AddOffset(T* row, const float* offset, int64_t n) {
  for (int64_t c = 0; c < n; ++c) row[c] = FromFloat<T>(ToFloat(row[c]) + offset[c]);
}

template <class T>
TRAIND_VECTORIZED void AddOneOffset(T* row, float offset, int64_t n) {
  for (int64_t i = 0; i < n; ++i) row[i] = FromFloat<T>(ToFloat(row[i]) + offset);
}

template <class T>
TRAIND_VECTORIZED double SumRun(const T* row, int64_t n) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; ++i) sum += static_cast<double>(ToFloat(row[i]));
  return sum;
}

template <class T>
TRAIND_VECTORIZED void AddRow(const T* row, int64_t n, double* sums) {
  for (int64_t c = 0; c < n; ++c) sums[c] += static_cast<double>(ToFloat(row[c]));
}

// x[.., c, ..] += offset[c]
template <class T>
void AddToChannels(const Layout& layout, const float* offset, T* x) {
  const int64_t slab = layout.spatial * layout.width;
  ParallelFor(layout.batch * layout.blocks, GrainFor(slab), [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t block = i % layout.blocks, valid = layout.block_width(block);
      T* row = x + i * slab;
      if (layout.width == 1) {
        AddOneOffset(row, offset[block], slab);
        continue;
      }
      for (int64_t s = 0; s < layout.spatial; ++s, row += layout.width) {
        AddOffset(row, offset + block * layout.width, valid);
      }
    }
  });
}

// sums[c] = sum of x over examples and positions.
template <class T>
void SumChannels(const Layout& layout, const T* x, float* sums) {
  const int64_t width = layout.width, slab = layout.spatial * width, stride = layout.example_stride();
  if (width == 1) {
    ParallelFor(layout.channels, GrainFor(layout.batch * slab), [&](int64_t begin, int64_t end, int) {
      for (int64_t c = begin; c < end; ++c) {
        double sum = 0;
        for (int64_t n = 0; n < layout.batch; ++n) sum += SumRun(x + n * stride + c * slab, slab);
        sums[c] = static_cast<float>(sum);
      }
    });
    return;
  }
  const int64_t ranges = (width + kChannelRange - 1) / kChannelRange;  // Of one block.
  ParallelFor(layout.blocks * ranges, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t block = i / ranges, first = i % ranges * kChannelRange;
      const int64_t n = std::min(kChannelRange, layout.block_width(block) - first);
      if (n <= 0) continue;
      double totals[kChannelRange] = {};
      for (int64_t example = 0; example < layout.batch; ++example) {
        const T* row = x + example * stride + block * slab + first;
        for (int64_t s = 0; s < layout.spatial; ++s, row += width) AddRow(row, n, totals);
      }
      std::transform(totals, totals + n, sums + block * width + first,
                     [](double total) { return static_cast<float>(total); });
    }
  });
}

}  // namespace traind::core
