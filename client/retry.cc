#include "client/retry.h"

#include <algorithm>

#include "client/errors.h"

namespace traind::client {

bool IsRetryable(const absl::Status& status) {
  return absl::IsUnavailable(status) || (absl::IsResourceExhausted(status) && RetryDelay(status).has_value());
}

std::optional<absl::Duration> Backoff::Next(const absl::Status& failure) {
  if (++failures_ >= policy_.max_attempts) return std::nullopt;
  const double share = std::uniform_real_distribution<double>(0.5, 1)(random_);
  const absl::Duration delay = next_ * share;
  next_ = std::min(next_ * policy_.multiplier, policy_.max_delay);
  return std::max(delay, RetryDelay(failure).value_or(absl::ZeroDuration()));
}

void Backoff::Reset() {
  failures_ = 0;
  next_ = policy_.initial_delay;
}

absl::Status Retry(const RetryPolicy& policy, uint64_t seed, Clock& clock, absl::Time deadline,
                   absl::FunctionRef<absl::Status()> attempt, const RetryObserver& observer,
                   const absl::Notification* interrupt) {
  Backoff backoff(policy, seed);
  while (true) {
    const absl::Status status = attempt();
    if (status.ok() || !IsRetryable(status)) return status;
    const std::optional<absl::Duration> delay = backoff.Next(status);
    if (!delay || clock.Now() + *delay >= deadline) return status;
    if (observer) observer(status, *delay);
    clock.Sleep(*delay, interrupt);
    if (interrupt != nullptr && interrupt->HasBeenNotified()) return status;
  }
}

}  // namespace traind::client
