// What is free from now on, as far as it is known today: threads and memory over time, in steps. Not thread-safe.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/time/time.h"

namespace traind::server {

class Timeline {
 public:
  Timeline(int64_t free_threads, int64_t free_memory) : steps_{{absl::ZeroDuration(), free_threads, free_memory}} {}

  // The first moment from which so much is free for `length` > 0, which may be infinite. InfiniteDuration: there is
  // none.
  absl::Duration FirstFit(int64_t threads, int64_t memory, absl::Duration length) const;
  // Takes it in [from, until). It may be more than is free: what is left is negative then, and fits nothing.
  void Take(int64_t threads, int64_t memory, absl::Duration from, absl::Duration until);

 private:
  struct Step {
    absl::Duration from;  // Until the next step's; the last one's lasts for ever.
    int64_t threads;
    int64_t memory;
  };
  // The step that begins at `from`, which is made if there is none.
  size_t StepAt(absl::Duration from);

  std::vector<Step> steps_;  // By `from`; the first one's is 0.
};

}  // namespace traind::server
