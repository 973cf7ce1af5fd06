// What LARS and LAMB share: sums over a chunk of a tensor.
#pragma once

#include <cmath>
#include <cstdint>

#include "core/base/vectorize.h"

namespace traind::core {

// sum x^2
TRAIND_INLINE double SumOfSquares(const float* x, int64_t n) {
  double squares = 0;
#pragma omp simd reduction(+ : squares)
  for (int64_t i = 0; i < n; ++i) squares += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  return squares;
}

// `ratio`, or 1 where one of the norms is 0 or not finite.
inline double RatioOf(double weights, double direction, double ratio) {
  return weights > 0 && direction > 0 && std::isfinite(ratio) ? ratio : 1;
}

}  // namespace traind::core
