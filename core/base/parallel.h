// Splits work over the OpenMP threads that oneDNN uses too. The split depends only on the range and the number of
// threads, so that sums over the parts are the same in each run.
#pragma once

#include <omp.h>

#include <algorithm>
#include <cstdint>

namespace traind::core {

// The grain of loops that do little with each value: 16 kB of floats, microseconds of work, as much as waking a thread.
inline constexpr int64_t kValueGrain = 4096;

// The same where an item of the loop is `values` values.
constexpr int64_t GrainFor(int64_t values) { return std::max<int64_t>(1, kValueGrain / values); }

// Calls body(begin, end, part) for consecutive parts of [0, n), as many as threads, cut at multiples of `grain`;
// runs in the calling thread when there is only one part's worth of work. `body` must not throw.
template <class Body>
void ParallelFor(int64_t n, int64_t grain, const Body& body) {
  const int64_t chunks = (n + grain - 1) / grain;
  const int parts = static_cast<int>(std::min<int64_t>(omp_get_max_threads(), chunks));
  if (parts <= 1) {
    if (n > 0) body(int64_t{0}, n, 0);
    return;
  }
#pragma omp parallel num_threads(parts)
  {
    // OpenMP may give fewer threads than asked for (a limit, a nested region); the parts stay the same.
    for (int part = omp_get_thread_num(); part < parts; part += omp_get_num_threads()) {
      const int64_t begin = chunks * part / parts * grain;
      const int64_t end = std::min(n, chunks * (part + 1) / parts * grain);
      if (begin < end) body(begin, end, part);
    }
  }
}

}  // namespace traind::core
