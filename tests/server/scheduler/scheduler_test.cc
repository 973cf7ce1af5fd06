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
// For so many minutes: of a running job those that are left, of another one those that it takes at most.
JobSnapshot For(int minutes, JobSnapshot job) {
  job.length = absl::Minutes(minutes);
  return job;
}
std::vector<int64_t> Started(const std::vector<JobSnapshot>& jobs, int64_t task_memory = 0) {
  return Decide(jobs, kCapacity, task_memory).start;
}

TEST(Scheduler, StartsNothingWhenNothingWaits) {
  EXPECT_THAT(Started({}), IsEmpty());
  EXPECT_THAT(Started({Running(1, 2)}), IsEmpty());
}

TEST(Scheduler, StartsInOrderOfArrivalWhileThreadsLast) {
  EXPECT_THAT(Started({Waiting(3, 2), Waiting(1, 2), Waiting(2, 1)}), ElementsAre(1, 2));
}

TEST(Scheduler, PutsPriorityBeforeArrival) {
  EXPECT_THAT(Started({Waiting(1, 2), Waiting(2, 2, 5), Waiting(3, 2, 5), Waiting(4, 2, -1)}), ElementsAre(2, 3));
}

TEST(Scheduler, RanksTheLowestPriorityLast) {
  constexpr int32_t kLowest = std::numeric_limits<int32_t>::min();
  EXPECT_THAT(Started({Waiting(1, 4, kLowest), Waiting(2, 4, 0)}), ElementsAre(2));
}

TEST(Scheduler, CountsWhatRunningJobsHold) {
  EXPECT_THAT(Started({Running(1, 3), Waiting(2, 1), Waiting(3, 1)}), ElementsAre(2));
}

TEST(Scheduler, KeepsTheMemoryBudget) {
  EXPECT_THAT(Started({Running(1, 1, 5 * kGiB), Waiting(2, 1, 0, 2 * kGiB), Waiting(3, 1, 0, 2 * kGiB)}),
              ElementsAre(2));
}

TEST(Scheduler, LetsNoJobOfUnknownLengthPassALargeOneThatWaits) {
  EXPECT_THAT(Started({Running(1, 2), Waiting(2, 4), Waiting(3, 1)}), IsEmpty());
  // A higher priority does go first; and once there is room the large job comes before the small one.
  EXPECT_THAT(Started({Running(1, 2), Waiting(2, 4), Waiting(3, 1, 1)}), ElementsAre(3));
  EXPECT_THAT(Started({Waiting(2, 4), Waiting(3, 1)}), ElementsAre(2));
}

TEST(Scheduler, StartsNothingWhileMoreIsHeldThanThereIs) {
  // After a restart with fewer threads.
  EXPECT_THAT(Started({Running(1, 6), Waiting(2, 1)}), IsEmpty());
}

TEST(Scheduler, LetsOthersPassAJobThatCanNeverFit) {
  // After a restart with fewer threads or less memory.
  EXPECT_THAT(Started({Waiting(1, 8), Waiting(2, 1, 0, 9 * kGiB), Waiting(3, 4)}), ElementsAre(3));
}

TEST(Scheduler, StepsThroughAnAfternoon) {
  std::vector<JobSnapshot> jobs = {Waiting(1, 4), Waiting(2, 2), Waiting(3, 2)};
  ASSERT_THAT(Started(jobs), ElementsAre(1));
  jobs[0].has_worker = true;
  ASSERT_THAT(Started(jobs), IsEmpty());
  jobs[0].has_worker = false;  // Its worker crashed: it keeps its place in the queue.
  ASSERT_THAT(Started(jobs), ElementsAre(1));
  jobs.erase(jobs.begin());
  ASSERT_THAT(Started(jobs), ElementsAre(2, 3));
}

TEST(Scheduler, FillsAGapWithWhatEndsBeforeTheReservation) {
  const JobSnapshot large = Waiting(2, 4);
  EXPECT_THAT(Started({For(10, Running(1, 2)), large, For(10, Waiting(3, 2))}), ElementsAre(3));
  EXPECT_THAT(Started({For(10, Running(1, 2)), large, For(11, Waiting(3, 2))}), IsEmpty());
  // An end that is not known comes after every known one.
  EXPECT_THAT(Started({Running(1, 2), large, For(1000000, Waiting(3, 2))}), ElementsAre(3));
}

TEST(Scheduler, FillsAGapWithWhatFitsBesideTheReservation) {
  const JobSnapshot large = Waiting(2, 3);
  EXPECT_THAT(Started({For(10, Running(1, 2)), large, Waiting(3, 1)}), ElementsAre(3));
  EXPECT_THAT(Started({For(10, Running(1, 2)), large, Waiting(3, 2)}), IsEmpty());
  // There is one thread beside the large job, not two.
  EXPECT_THAT(Started({For(10, Running(1, 2)), large, Waiting(3, 1), Waiting(4, 1)}), ElementsAre(3));
  // Nor is there memory beside it.
  EXPECT_THAT(Started({For(10, Running(1, 2)), Waiting(2, 3, 0, 7 * kGiB), Waiting(3, 1, 0, 2 * kGiB)}), IsEmpty());
}

TEST(Scheduler, KeepsTheReservationOfEachThatWaits) {
  // Job 2 starts after 10 minutes, job 3 beside it; job 4 would fit beside job 2, but not beside both.
  const std::vector<JobSnapshot> jobs = {For(10, Running(1, 3)), Waiting(2, 2), Waiting(3, 2), Waiting(4, 1)};
  EXPECT_THAT(Started(jobs), IsEmpty());
  const Schedule schedule = Decide(jobs, kCapacity);
  ASSERT_EQ(schedule.reservations.size(), 3u);
  EXPECT_EQ(schedule.reservations[0].start, absl::Minutes(10));
  EXPECT_EQ(schedule.reservations[1].start, absl::Minutes(10));
}

TEST(Scheduler, ProtectsAJobBehindOneOfUnknownLength) {
  // Nobody knows when job 3 can start, but not before job 2 does.
  const JobSnapshot running = For(10, Running(1, 3));
  EXPECT_THAT(Started({running, Waiting(2, 3), Waiting(3, 4), For(10, Waiting(4, 1))}), ElementsAre(4));
  EXPECT_THAT(Started({running, Waiting(2, 3), Waiting(3, 4), For(11, Waiting(4, 1))}), IsEmpty());
  EXPECT_THAT(Started({running, Waiting(2, 3), For(11, Waiting(4, 1))}), ElementsAre(4));
}

TEST(Scheduler, ReservesForAJobThatShouldHaveEnded) {
  EXPECT_THAT(Started({For(0, Running(1, 2)), Waiting(2, 4), For(1, Waiting(3, 2))}), IsEmpty());
}

TEST(Scheduler, SaysWhoIsPassedAndUntilWhenItWaits) {
  const Schedule schedule =
      Decide({For(10, Running(1, 2)), For(5, Waiting(2, 4)), For(5, Waiting(3, 2)), Waiting(4, 4)}, kCapacity);
  EXPECT_THAT(schedule.start, ElementsAre(3));
  ASSERT_EQ(schedule.reservations.size(), 2u);
  EXPECT_EQ(schedule.reservations[0].key, 2);
  EXPECT_EQ(schedule.reservations[0].start, absl::Minutes(10));
  EXPECT_TRUE(schedule.reservations[0].passed);
  EXPECT_EQ(schedule.reservations[1].key, 4);
  EXPECT_EQ(schedule.reservations[1].start, absl::Minutes(15));
  EXPECT_FALSE(schedule.reservations[1].passed);
  EXPECT_EQ(Decide({Running(1, 2), Waiting(2, 4)}, kCapacity).reservations[0].start, absl::InfiniteDuration());
}

TEST(Scheduler, StartsNobodyBehindAJobThatMayNotBePassed) {
  std::vector<JobSnapshot> jobs = {For(10, Running(1, 2)), Waiting(2, 4), For(5, Waiting(3, 2))};
  EXPECT_THAT(Started(jobs), ElementsAre(3));
  jobs[1].may_be_passed = false;
  EXPECT_THAT(Started(jobs), IsEmpty());
}

TEST(Scheduler, StartsNobodyBehindTheLastReservation) {
  std::vector<JobSnapshot> jobs = {For(10, Running(1, 3))};
  for (size_t i = 0; i < kMaxReservations; ++i) jobs.push_back(Waiting(static_cast<int64_t>(i) + 2, 4));
  jobs.push_back(For(1, Waiting(1000, 1)));
  EXPECT_THAT(Started(jobs), IsEmpty());
  jobs.erase(jobs.begin() + 1);
  EXPECT_THAT(Started(jobs), ElementsAre(1000));
}

TEST(Scheduler, LeavesTheMemoryOfTasksAlone) {
  const std::vector<JobSnapshot> jobs = {Waiting(1, 1, 0, 8 * kGiB), Waiting(2, 1)};
  EXPECT_THAT(Started(jobs), ElementsAre(1));
  EXPECT_THAT(Started(jobs, 1), IsEmpty());  // Job 1 fits an idle server: it is not passed.
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
