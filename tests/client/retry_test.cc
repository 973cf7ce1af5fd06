#include "client/retry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/errors.h"
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

absl::Status Exhausted(int64_t seconds) {
  rpc::RetryInfo info;
  info.mutable_retry_delay()->set_seconds(seconds);
  absl::Status status = absl::ResourceExhaustedError("too many requests");
  status.SetPayload(kRetryInfoUrl, absl::Cord(info.SerializeAsString()));
  return status;
}

TEST(RetryTest, AQuotaThatFillsUpIsWaitedForAsLongAsItSays) {
  FakeClock clock;
  int calls = 0;
  EXPECT_TRUE(Retry(RetryPolicy(), 1, clock, absl::InfiniteFuture(), [&] {
                return ++calls == 1 ? Exhausted(7) : absl::OkStatus();
              }).ok());
  EXPECT_THAT(clock.sleeps(), ::testing::ElementsAre(absl::Seconds(7)));
  calls = 0;
  EXPECT_TRUE(absl::IsResourceExhausted(
      Retry(RetryPolicy(), 1, clock, clock.Now() + absl::Seconds(6), [&] { return ++calls, Exhausted(7); })));
  EXPECT_EQ(calls, 1) << "the deadline comes first";
  EXPECT_EQ(RetryDelay(Exhausted(-1)), std::nullopt);
  EXPECT_EQ(RetryDelay(Exhausted(7200)), std::nullopt) << "nobody waits that long";
}

TEST(RetryTest, WaitsAsLongAsTheServerAsksFor) {
  FakeClock clock;
  int calls = 0;
  const grpc::Status busy = UnavailableFor(absl::Seconds(7));
  const absl::Status unavailable = MakeStatus(busy.error_code(), busy.error_message(), busy.error_details());
  EXPECT_EQ(RetryDelay(unavailable), absl::Seconds(7));
  EXPECT_TRUE(Retry(RetryPolicy(), 1, clock, absl::InfiniteFuture(), [&] {
                return ++calls < 2 ? unavailable : absl::OkStatus();
              }).ok());
  EXPECT_THAT(clock.sleeps(), testing::ElementsAre(absl::Seconds(7)));
  EXPECT_EQ(RetryDelay(absl::UnavailableError("nobody is there")), std::nullopt);
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
