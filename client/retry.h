// When a failed call is tried again, and after how long. UNAVAILABLE is worth another try, and RESOURCE_EXHAUSTED where
// the server says after how long (RetryDelay): every other code is its answer. Thread-compatible.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <random>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "client/clock.h"

namespace traind::client {

struct RetryPolicy {
  int max_attempts = 5;  // Calls in all, the first one included.
  absl::Duration initial_delay = absl::Milliseconds(100);
  double multiplier = 2;
  absl::Duration max_delay = absl::Seconds(5);
};

// Told before each wait: what failed, and how long the wait is.
using RetryObserver = std::function<void(const absl::Status& failure, absl::Duration delay)>;

bool IsRetryable(const absl::Status& status);

// The waits of one call: min(initial * multiplier^n, max), each shortened by up to a half at random, so that clients
// that failed together do not return together.
class Backoff {
 public:
  Backoff(const RetryPolicy& policy, uint64_t seed) : policy_(policy), random_(seed), next_(policy.initial_delay) {}

  // The wait before the next attempt, at least what the failure asks for; nothing when all attempts are used up.
  std::optional<absl::Duration> Next(const absl::Status& failure = absl::OkStatus());
  // Begins anew, after progress was made.
  void Reset();

 private:
  RetryPolicy policy_;
  std::mt19937_64 random_;
  absl::Duration next_;
  int failures_ = 0;
};

// Calls `attempt` until it is OK, fails for good, the attempts are used up or `deadline` would pass while waiting.
// Returns the last attempt's status. `attempt` must be safe to repeat. `interrupt` (may be null) ends the wait, after
// which there is no further attempt.
absl::Status Retry(const RetryPolicy& policy, uint64_t seed, Clock& clock, absl::Time deadline,
                   absl::FunctionRef<absl::Status()> attempt, const RetryObserver& observer = nullptr,
                   const absl::Notification* interrupt = nullptr);

}  // namespace traind::client
