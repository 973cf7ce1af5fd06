// Mean and variance of runs of values, as layer_norm and group_norm take them: in double, of the values less the first
// one, so that neither a large mean nor values near the end of float's range cost accuracy, and values that are all
// equal have a variance of exactly zero.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/base/bfloat16.h"
#include "core/base/vectorize.h"

namespace traind::core {

// Of `count` values: their mean, and the sum of their squared distances from it.
struct CentralMoments {
  double count = 0;
  double mean = 0;
  double squares = 0;

  // Takes in other values (Chan, Golub & LeVeque 1979).
  void Add(const CentralMoments& other) {
    if (other.count == 0) return;
    const double total = count + other.count;
    const double distance = other.mean - mean;
    mean += distance * (other.count / total);
    squares += other.squares + distance * distance * (count * other.count / total);
    count = total;
  }
};

// From the sums of x - first and of its square.
inline CentralMoments MomentsOf(double count, double first, double sum, double squares) {
  return {.count = count, .mean = first + sum / count, .squares = std::max(squares - sum * sum / count, 0.0)};
}

// Of n > 0 values next to each other.
template <class T>
TRAIND_VECTORIZED CentralMoments RunMoments(const T* x, int64_t n) {
  const double first = ToFloat(x[0]);
  double sum = 0, squares = 0;
#pragma omp simd reduction(+ : sum, squares)
  for (int64_t i = 0; i < n; ++i) {
    const double distance = ToFloat(x[i]) - first;
    sum += distance;
    squares += distance * distance;
  }
  return MomentsOf(static_cast<double>(n), first, sum, squares);
}

// The most columns that the loops over rows take at once; their sums are on the stack.
inline constexpr int64_t kColumns = 64;

// Of each of `columns` columns (at most kColumns) over `rows` > 0 rows that begin every `stride` values.
template <class T>
TRAIND_VECTORIZED void ColumnMoments(const T* x, int64_t rows, int64_t stride, int64_t columns,
                                     CentralMoments* moments) {
  double first[kColumns], sum[kColumns] = {}, squares[kColumns] = {};
  for (int64_t c = 0; c < columns; ++c) first[c] = ToFloat(x[c]);
  for (int64_t s = 1; s < rows; ++s) {
    const T* row = x + s * stride;
    for (int64_t c = 0; c < columns; ++c) {
      const double distance = ToFloat(row[c]) - first[c];
      sum[c] += distance;
      squares[c] += distance * distance;
    }
  }
  for (int64_t c = 0; c < columns; ++c) moments[c] = MomentsOf(static_cast<double>(rows), first[c], sum[c], squares[c]);
}

}  // namespace traind::core
