// The loops of group_norm over an example: its columns, which are up to kColumns channels next to each other, or one
// channel where pixels are. `rows` are pixels, `stride` values apart.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/base/bfloat16.h"
#include "core/base/vectorize.h"
#include "core/layers/central_moments.h"
#include "core/tensor/layout.h"

namespace traind::core::group_norm {

// Calls body(first channel, channels, offset of the first value) for the columns of an example: up to kColumns channels
// that lie next to each other, or one channel where pixels do.
template <class Body>
void ForColumns(const Layout& layout, const Body& body) {
  for (int64_t block = 0; block < layout.blocks; ++block) {
    const int64_t valid = layout.block_width(block);
    for (int64_t c = 0; c < valid; c += kColumns) {
      body(block * layout.width + c, std::min(kColumns, valid - c), block * layout.spatial * layout.width + c);
    }
  }
}

// What a loop knows of the columns that it runs over.
struct Factors {
  float mean[kColumns];
  float scale[kColumns];  // Forward: r weight.
  float shift[kColumns];  // Forward: bias. Backward: r mean(dy weight).
  float slope[kColumns];  // Backward: r^2 mean(dy weight z).
};

template <class T>
TRAIND_VECTORIZED void NormalizeRows(const T* __restrict x, const Factors& f, int64_t rows, int64_t stride,
                                     int64_t columns, T* __restrict y) {
  for (int64_t s = 0; s < rows; ++s, x += stride, y += stride) {
    for (int64_t c = 0; c < columns; ++c) y[c] = FromFloat<T>((ToFloat(x[c]) - f.mean[c]) * f.scale[c] + f.shift[c]);
  }
}

template <class T>
TRAIND_VECTORIZED void NormalizeRun(const T* __restrict x, const Factors& f, int64_t n, T* __restrict y) {
  const float mean = f.mean[0], scale = f.scale[0], shift = f.shift[0];
  for (int64_t i = 0; i < n; ++i) y[i] = FromFloat<T>((ToFloat(x[i]) - mean) * scale + shift);
}

// Sums of dy, and of dy (x - mean), for each column.
template <class T>
TRAIND_VECTORIZED void SumRows(const T* __restrict x, const T* __restrict dy, const float* __restrict mean,
                               int64_t rows, int64_t stride, int64_t columns, double* __restrict d,
                               double* __restrict dx) {
  for (int64_t s = 0; s < rows; ++s, x += stride, dy += stride) {
    for (int64_t c = 0; c < columns; ++c) {
      const float g = ToFloat(dy[c]);
      d[c] += g;
      dx[c] += static_cast<double>(g) * (ToFloat(x[c]) - mean[c]);
    }
  }
}

template <class T>
TRAIND_VECTORIZED void SumRun(const T* __restrict x, const T* __restrict dy, float mean, int64_t n, double* d,
                              double* dx) {
  double d_sum = 0, dx_sum = 0;
#pragma omp simd reduction(+ : d_sum, dx_sum)
  for (int64_t i = 0; i < n; ++i) {
    const float g = ToFloat(dy[i]);
    d_sum += g;
    dx_sum += static_cast<double>(g) * (ToFloat(x[i]) - mean);
  }
  *d = d_sum;
  *dx = dx_sum;
}

template <class T>
TRAIND_VECTORIZED void GradientRows(const T* __restrict x, const T* __restrict dy, const Factors& f, int64_t rows,
                                    int64_t stride, int64_t columns, T* __restrict dx) {
  for (int64_t s = 0; s < rows; ++s, x += stride, dy += stride, dx += stride) {
    for (int64_t c = 0; c < columns; ++c) {
      dx[c] = FromFloat<T>(ToFloat(dy[c]) * f.scale[c] - f.shift[c] - (ToFloat(x[c]) - f.mean[c]) * f.slope[c]);
    }
  }
}

template <class T>
TRAIND_VECTORIZED void GradientRun(const T* __restrict x, const T* __restrict dy, const Factors& f, int64_t n,
                                   T* __restrict dx) {
  const float mean = f.mean[0], scale = f.scale[0], shift = f.shift[0], slope = f.slope[0];
  for (int64_t i = 0; i < n; ++i) {
    dx[i] = FromFloat<T>(ToFloat(dy[i]) * scale - shift - (ToFloat(x[i]) - mean) * slope);
  }
}

}  // namespace traind::core::group_norm
