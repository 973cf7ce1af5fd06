// The frame of every loss: examples are computed in parallel and their losses added in order, so that the sum does not
// depend on the number of threads. Allocates nothing.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/base/parallel.h"

namespace traind::core {

// The sum of loss(i) for i in [0, n), a double for each example; `values_per_example` tells how much work one is.
template <class ExampleLoss>
double SumOverExamples(int64_t n, int64_t values_per_example, const ExampleLoss& loss) {
  constexpr int64_t kAtOnce = 1024;
  const int64_t grain = std::max<int64_t>(1, 4096 / std::max<int64_t>(1, values_per_example));
  double losses[kAtOnce];
  double sum = 0;
  for (int64_t first = 0; first < n; first += kAtOnce) {
    const int64_t count = std::min(kAtOnce, n - first);
    ParallelFor(count, grain, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) losses[i] = loss(first + i);
    });
    for (int64_t i = 0; i < count; ++i) sum += losses[i];
  }
  return sum;
}

}  // namespace traind::core
