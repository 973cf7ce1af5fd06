// How often something happened since it was last said, for a log that says it once a minute. Thread-safe.
#pragma once

#include <cstdint>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace traind::server {

class Seldom {
 public:
  // Counts one more. How many there are to tell of; 0: not yet.
  int64_t Count() {
    absl::MutexLock lock(&mu_);
    ++untold_;
    const absl::Time now = absl::Now();
    if (now < next_) return 0;
    next_ = now + absl::Minutes(1);
    return std::exchange(untold_, 0);
  }

 private:
  absl::Mutex mu_;
  int64_t untold_ ABSL_GUARDED_BY(mu_) = 0;
  absl::Time next_ ABSL_GUARDED_BY(mu_) = absl::InfinitePast();
};

}  // namespace traind::server
