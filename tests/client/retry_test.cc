#include "client/retry.h"

#include <gtest/gtest.h>

#include "tests/client/fake_server.h"

namespace traind::client {
namespace {

TEST(BackoffTest, WaitsGrowUpToTheMaximumWithHalfOfThemRandom) {
  Backoff backoff({.max_attempts = 6,
                   .initial_delay = absl::Milliseconds(100),
                   .multiplier = 2,
                   .max_delay = absl::Milliseconds(500)},
                  7);
  for (const int full : {100, 200, 400, 500, 500}) {
    const std::optional<absl::Duration> delay = backoff.Next();
    ASSERT_TRUE(delay.has_value());
    EXPECT_GE(*delay, absl::Milliseconds(full) / 2);
    EXPECT_LE(*delay, absl::Milliseconds(full));
  }
  EXPECT_EQ(backoff.Next(), std::nullopt);
  backoff.Reset();
  EXPECT_LE(backoff.Next(), absl::Milliseconds(100));
}

TEST(BackoffTest, SeedsDiffer) { EXPECT_NE(Backoff(RetryPolicy(), 1).Next(), Backoff(RetryPolicy(), 2).Next()); }

TEST(RetryTest, UnavailableIsTriedAgainUntilItWorks) {
  FakeClock clock;
  int calls = 0;
  std::vector<absl::Duration> observed;
  const absl::Status status = Retry(
      RetryPolicy(), 1, clock, absl::InfiniteFuture(),
      [&] { return ++calls < 3 ? absl::UnavailableError("no") : absl::OkStatus(); },
      [&](const absl::Status& failure, absl::Duration delay) {
        EXPECT_EQ(failure, absl::UnavailableError("no"));
        observed.push_back(delay);
      });
  EXPECT_TRUE(status.ok());
  EXPECT_EQ(calls, 3);
  EXPECT_EQ(clock.sleeps(), observed);
  EXPECT_EQ(observed.size(), 2u);
}

TEST(RetryTest, OtherErrorsAreTheAnswer) {
  FakeClock clock;
  for (const absl::Status& answer : {absl::NotFoundError("x"), absl::InternalError("x"), absl::CancelledError("x"),
                                     absl::DeadlineExceededError("x"), absl::ResourceExhaustedError("x")}) {
    int calls = 0;
    EXPECT_EQ(Retry(RetryPolicy(), 1, clock, absl::InfiniteFuture(),
                    [&] {
                      ++calls;
                      return answer;
                    }),
              answer);
    EXPECT_EQ(calls, 1);
  }
  EXPECT_TRUE(clock.sleeps().empty());
}

TEST(RetryTest, AttemptsAndDeadlineBoundIt) {
  FakeClock clock;
  int calls = 0;
  const auto fail = [&] {
    ++calls;
    return absl::UnavailableError("no");
  };
  EXPECT_EQ(Retry({.max_attempts = 4}, 1, clock, absl::InfiniteFuture(), fail), absl::UnavailableError("no"));
  EXPECT_EQ(calls, 4);
  calls = 0;
  // The first wait is at least 500 ms: it would end after the deadline.
  const absl::Time deadline = clock.Now() + absl::Milliseconds(400);
  EXPECT_EQ(Retry({.max_attempts = 4, .initial_delay = absl::Seconds(1)}, 1, clock, deadline, fail),
            absl::UnavailableError("no"));
  EXPECT_EQ(calls, 1);
}

TEST(RetryTest, AnInterruptEndsIt) {
  FakeClock clock;
  absl::Notification interrupt;
  int calls = 0;
  const absl::Status status = Retry(
      RetryPolicy(), 1, clock, absl::InfiniteFuture(),
      [&] {
        if (++calls == 2) interrupt.Notify();
        return absl::UnavailableError("no");
      },
      nullptr, &interrupt);
  EXPECT_EQ(status, absl::UnavailableError("no"));
  EXPECT_EQ(calls, 2);
}

}  // namespace
}  // namespace traind::client
