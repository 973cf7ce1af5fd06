// Time as the client sees it, so that tests of retries neither sleep nor depend on the hour.
// Implementations are thread-safe.
#pragma once

#include "absl/synchronization/notification.h"
#include "absl/time/time.h"

namespace traind::client {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual absl::Time Now() = 0;
  // Waits for `duration`, or until `interrupt` (may be null) is notified.
  virtual void Sleep(absl::Duration duration, const absl::Notification* interrupt) = 0;

  // The machine's clock. Lives as long as the process.
  static Clock* Real();
};

}  // namespace traind::client
