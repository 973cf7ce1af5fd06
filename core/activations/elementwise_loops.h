// The loops of elementwise activations (elementwise.h): over one run of contiguous values, and over the runs of valid
// values of a layout. Values are float32 or bfloat16; the arithmetic is float32.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/base/bfloat16.h"
#include "core/base/math.h"
#include "core/base/parallel.h"
#include "core/base/vectorize.h"
#include "core/tensor/layout.h"

namespace traind::core {

template <class Function, class T>
TRAIND_VECTORIZED void ForwardLoop(Function f, const T* x, T* y, int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) y[i] = FromFloat<T>(f.Forward(ToFloat(x[i])));
}

// dx may be dy.
template <class Function, class T>
TRAIND_VECTORIZED void BackwardLoop(Function f, const T* v, const T* dy, T* dx, int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) dx[i] = FromFloat<T>(ToFloat(dy[i]) * f.Derivative(ToFloat(v[i])));
}

// How many have |f'| < 0.01.
template <class Function, class T>
TRAIND_VECTORIZED int64_t CountLoop(Function f, const T* v, int64_t n) {
  int64_t count = 0;
  while (n > 0) {  // 32-bit counters keep the lanes as wide as the floats.
    const int32_t piece = static_cast<int32_t>(std::min<int64_t>(n, 1 << 20));
    int32_t part = 0;
    for (int32_t i = 0; i < piece; ++i) part += Abs(f.Derivative(ToFloat(v[i]))) < 0.01f ? 1 : 0;
    count += part;
    v += piece;
    n -= piece;
  }
  return count;
}

// Calls body(offset, n), in parallel, for runs that together hold each valid value of the layout once. The padding of
// `written`, unless null, is set to zero.
template <class T, class Body>
void ForEachRun(const Layout& layout, T* written, const Body& body) {
  if (!layout.padded()) {
    ParallelFor(layout.stored_elements(), kValueGrain,
                [&](int64_t begin, int64_t end, int) { body(begin, end - begin); });
    return;
  }
  const int64_t slab = layout.spatial * layout.width;  // One block of one example.
  ParallelFor(layout.batch * layout.blocks, GrainFor(slab), [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t valid = layout.block_width(i % layout.blocks);
      if (valid == layout.width) {
        body(i * slab, slab);
        continue;
      }
      for (int64_t row = i * slab; row < (i + 1) * slab; row += layout.width) {
        body(row, valid);
        if (written != nullptr) std::fill(written + row + valid, written + row + layout.width, T{});
      }
    }
  });
}

}  // namespace traind::core
