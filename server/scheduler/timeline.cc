#include "server/scheduler/timeline.h"

#include <algorithm>

namespace traind::server {

absl::Duration Timeline::FirstFit(int64_t threads, int64_t memory, absl::Duration length) const {
  size_t first = 0;  // All steps from here on to the one under view have room.
  for (size_t i = 0; i < steps_.size(); ++i) {
    if (steps_[i].from >= steps_[first].from + length) break;
    if (threads > steps_[i].threads || memory > steps_[i].memory) first = i + 1;
  }
  return first < steps_.size() ? steps_[first].from : absl::InfiniteDuration();
}

void Timeline::Take(int64_t threads, int64_t memory, absl::Duration from, absl::Duration until) {
  const size_t begin = StepAt(from);
  const size_t end = until == absl::InfiniteDuration() ? steps_.size() : StepAt(until);
  for (size_t i = begin; i < end; ++i) {
    steps_[i].threads -= threads;
    steps_[i].memory -= memory;
  }
}

size_t Timeline::StepAt(absl::Duration from) {
  const auto after = std::upper_bound(steps_.begin(), steps_.end(), from,
                                      [](absl::Duration time, const Step& step) { return time < step.from; });
  const size_t index = static_cast<size_t>(after - steps_.begin());
  if (steps_[index - 1].from == from) return index - 1;
  Step step = steps_[index - 1];
  step.from = from;
  steps_.insert(after, step);
  return index;
}

}  // namespace traind::server
