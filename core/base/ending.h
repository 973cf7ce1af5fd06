// Tells a thread that looks at something now and then to end. It waits by the clock that nobody sets: Abseil's locks
// wait until a time of day, and where that is set back by an hour they wait an hour longer. Thread-safe.
#pragma once

#include <condition_variable>
#include <mutex>

#include "absl/time/time.h"

namespace traind::core {

class Ending {
 public:
  void End();
  bool ended() const;
  // True: End was called, before or meanwhile. False: the time has passed.
  bool WaitFor(absl::Duration timeout);

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool ended_ = false;
};

}  // namespace traind::core
