#include "server/scheduler/scheduler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

namespace traind::server {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr int64_t kGiB = int64_t{1} << 30;
constexpr Capacity kCapacity{.threads = 4, .memory_bytes = 8 * kGiB};

JobSnapshot Waiting(int64_t key, uint32_t threads, int32_t priority = 0, int64_t memory = kGiB) {
  return {.key = key, .priority = priority, .threads = threads, .memory_bytes = memory, .has_worker = false};
}
JobSnapshot Running(int64_t key, uint32_t threads, int64_t memory = kGiB) {
  return {.key = key, .priority = 0, .threads = threads, .memory_bytes = memory, .has_worker = true};
}

TEST(Scheduler, StartsNothingWhenNothingWaits) {
  EXPECT_THAT(Decide({}, kCapacity), IsEmpty());
  EXPECT_THAT(Decide({Running(1, 2)}, kCapacity), IsEmpty());
}

TEST(Scheduler, StartsInOrderOfArrivalWhileThreadsLast) {
  EXPECT_THAT(Decide({Waiting(3, 2), Waiting(1, 2), Waiting(2, 1)}, kCapacity), ElementsAre(1, 2));
}

TEST(Scheduler, PutsPriorityBeforeArrival) {
  EXPECT_THAT(Decide({Waiting(1, 2), Waiting(2, 2, 5), Waiting(3, 2, 5), Waiting(4, 2, -1)}, kCapacity),
              ElementsAre(2, 3));
}

TEST(Scheduler, RanksTheLowestPriorityLast) {
  constexpr int32_t kLowest = std::numeric_limits<int32_t>::min();
  EXPECT_THAT(Decide({Waiting(1, 4, kLowest), Waiting(2, 4, 0)}, kCapacity), ElementsAre(2));
}

TEST(Scheduler, CountsWhatRunningJobsHold) {
  EXPECT_THAT(Decide({Running(1, 3), Waiting(2, 1), Waiting(3, 1)}, kCapacity), ElementsAre(2));
}

TEST(Scheduler, KeepsTheMemoryBudget) {
  EXPECT_THAT(Decide({Running(1, 1, 5 * kGiB), Waiting(2, 1, 0, 2 * kGiB), Waiting(3, 1, 0, 2 * kGiB)}, kCapacity),
              ElementsAre(2));
}

TEST(Scheduler, LetsNoSmallJobSlipPastALargeOneThatWaits) {
  EXPECT_THAT(Decide({Running(1, 2), Waiting(2, 4), Waiting(3, 1)}, kCapacity), IsEmpty());
  // A higher priority does go first; and once there is room the large job comes before the small one.
  EXPECT_THAT(Decide({Running(1, 2), Waiting(2, 4), Waiting(3, 1, 1)}, kCapacity), ElementsAre(3));
  EXPECT_THAT(Decide({Waiting(2, 4), Waiting(3, 1)}, kCapacity), ElementsAre(2));
}

TEST(Scheduler, StartsNothingWhileMoreIsHeldThanThereIs) {
  // After a restart with fewer threads.
  EXPECT_THAT(Decide({Running(1, 6), Waiting(2, 1)}, kCapacity), IsEmpty());
}

TEST(Scheduler, LetsOthersPassAJobThatCanNeverFit) {
  // After a restart with fewer threads or less memory.
  EXPECT_THAT(Decide({Waiting(1, 8), Waiting(2, 1, 0, 9 * kGiB), Waiting(3, 4)}, kCapacity), ElementsAre(3));
}

TEST(Scheduler, StepsThroughAnAfternoon) {
  std::vector<JobSnapshot> jobs = {Waiting(1, 4), Waiting(2, 2), Waiting(3, 2)};
  ASSERT_THAT(Decide(jobs, kCapacity), ElementsAre(1));
  jobs[0].has_worker = true;
  ASSERT_THAT(Decide(jobs, kCapacity), IsEmpty());
  jobs[0].has_worker = false;  // Its worker crashed: it keeps its place in the queue.
  ASSERT_THAT(Decide(jobs, kCapacity), ElementsAre(1));
  jobs.erase(jobs.begin());
  ASSERT_THAT(Decide(jobs, kCapacity), ElementsAre(2, 3));
}

TEST(Scheduler, RefusesWhatCanNeverFit) {
  EXPECT_TRUE(CheckFits(4, 8 * kGiB, kCapacity).ok());
  EXPECT_EQ(CheckFits(5, kGiB, kCapacity).code(), absl::StatusCode::kResourceExhausted);
  const absl::Status memory = CheckFits(1, 8 * kGiB + 1, kCapacity);
  EXPECT_EQ(memory.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(memory.message()), ::testing::HasSubstr("--memory-limit"));
}

}  // namespace
}  // namespace traind::server
