#include "server/scheduler/budget.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <thread>
#include <vector>

namespace traind::server {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Lane = Budget::Lane;
using LeasePtr = std::unique_ptr<Budget::Lease>;

constexpr Capacity kCapacity{.threads = 4, .memory_bytes = 100};

JobSnapshot Waiting(int64_t key, uint32_t threads, int64_t memory) {
  return {.key = key, .threads = threads, .memory_bytes = memory};
}
JobSnapshot Running(int64_t key, uint32_t threads, int64_t memory) {
  return {.key = key, .threads = threads, .memory_bytes = memory, .has_worker = true};
}
// What was granted; 0: it waits.
uint32_t Threads(const LeasePtr& lease) { return lease->threads(); }

TEST(Budget, GivesATaskTheThreadsThatItCanUse) {
  Budget budget(kCapacity);
  const LeasePtr some = budget.Ask({.threads = 3, .memory_bytes = 10});
  const LeasePtr rest = budget.Ask({.threads = 3, .memory_bytes = 10});
  EXPECT_EQ(Threads(some), 3u);
  EXPECT_EQ(Threads(rest), 1u);
  EXPECT_EQ(budget.task_memory(), 20);
}

TEST(Budget, CountsWhatJobsHave) {
  Budget budget(kCapacity);
  EXPECT_THAT(budget.StartJobs({Running(1, 1, 10), Waiting(2, 1, 10)}).start, ElementsAre(2));
  const LeasePtr task = budget.Ask({.threads = 4});
  EXPECT_EQ(Threads(task), 2u);
}

TEST(Budget, SaysWhatIsInUse) {
  Budget budget(kCapacity);
  EXPECT_EQ(budget.usage().threads, 0);
  budget.StartJobs({Running(1, 2, 10)});
  const LeasePtr task = budget.Ask({.threads = 2, .memory_bytes = 20});
  EXPECT_EQ(budget.usage().threads, 4);
  EXPECT_EQ(budget.usage().memory_bytes, 30);
  LeasePtr in_lane = budget.Ask({.threads = 1, .memory_bytes = 5});
  EXPECT_EQ(budget.usage().threads, 5) << "the lane's is beyond the budget";
  in_lane.reset();
  EXPECT_EQ(budget.usage().threads, 4);
}

TEST(Budget, HasALaneOfOneThreadWhereNoneIsFree) {
  Budget budget(kCapacity);
  budget.StartJobs({Running(1, 4, 100)});
  const LeasePtr in_lane = budget.Ask({.threads = 4, .memory_bytes = 50});
  EXPECT_EQ(Threads(in_lane), 1u);
  EXPECT_EQ(budget.task_memory(), 0);  // Beyond the budget.
}

TEST(Budget, HasALaneWhereNoMemoryIsFree) {
  Budget budget(kCapacity);
  budget.StartJobs({Running(1, 1, 60)});
  const LeasePtr in_lane = budget.Ask({.threads = 4, .memory_bytes = 50});
  EXPECT_EQ(Threads(in_lane), 1u);
  const LeasePtr within = budget.Ask({.threads = 4, .memory_bytes = 40});
  EXPECT_EQ(Threads(within), 3u);
}

TEST(Budget, GivesTheLaneInOrderOfArrival) {
  Budget budget(kCapacity);
  budget.StartJobs({Running(1, 4, 0)});
  LeasePtr first = budget.Ask({});
  LeasePtr second = budget.Ask({});
  const LeasePtr third = budget.Ask({});
  EXPECT_EQ(Threads(second), 0u);
  first.reset();
  EXPECT_EQ(Threads(second), 1u);
  EXPECT_EQ(Threads(third), 0u);
  second.reset();
  EXPECT_EQ(Threads(third), 1u);
}

TEST(Budget, LetsNoEvaluationWaitForAnImportAndNoCallForEither) {
  Budget budget(kCapacity);
  budget.StartJobs({Running(1, 4, 0)});
  const LeasePtr import = budget.Ask({.lane = Lane::kData});
  const LeasePtr next_import = budget.Ask({.lane = Lane::kData});
  const LeasePtr evaluation = budget.Ask({.lane = Lane::kModels});
  const LeasePtr probe = budget.Ask({.lane = Lane::kCalls});
  EXPECT_EQ(Threads(import), 1u);
  EXPECT_EQ(Threads(next_import), 0u);
  EXPECT_EQ(Threads(evaluation), 1u);
  EXPECT_EQ(Threads(probe), 1u);
}

TEST(Budget, LetsNoTaskOvertakeAnotherOfItsKind) {
  Budget budget(kCapacity);
  budget.StartJobs({Running(1, 1, 60)});
  const LeasePtr in_lane = budget.Ask({.memory_bytes = 50});
  const LeasePtr large = budget.Ask({.memory_bytes = 50});
  const LeasePtr small = budget.Ask({.memory_bytes = 1});
  const LeasePtr import = budget.Ask({.memory_bytes = 1, .lane = Lane::kData});
  EXPECT_EQ(Threads(large), 0u);
  EXPECT_EQ(Threads(small), 0u);
  EXPECT_EQ(Threads(import), 1u);
}

TEST(Budget, GivesThreadsToTasksThatWaitWhenAJobEnds) {
  Budget budget(kCapacity);
  budget.StartJobs({Running(1, 4, 100)});
  const LeasePtr in_lane = budget.Ask({});
  const LeasePtr waits = budget.Ask({.threads = 2, .memory_bytes = 10});
  EXPECT_EQ(Threads(waits), 0u);
  budget.StartJobs({});
  EXPECT_EQ(Threads(waits), 2u);
}

TEST(Budget, StartsJobsWhateverThreadsTasksHave) {
  Budget budget(kCapacity);
  const LeasePtr task = budget.Ask({.threads = 4, .memory_bytes = 10});
  EXPECT_EQ(Threads(task), 4u);
  EXPECT_THAT(budget.StartJobs({Waiting(1, 4, 90)}).start, ElementsAre(1));
  const LeasePtr in_lane = budget.Ask({.threads = 4});
  EXPECT_EQ(Threads(in_lane), 1u);
}

TEST(Budget, LetsAJobWaitForTheMemoryOfTasksUnderWayOnly) {
  Budget budget(kCapacity);
  int freed = 0;
  budget.OnMemoryFreed([&] { ++freed; });
  LeasePtr under_way = budget.Ask({.memory_bytes = 10});
  EXPECT_THAT(budget.StartJobs({Waiting(1, 1, 100)}).start, IsEmpty());
  // Those that come after the job get the lane, which it does not wait for.
  const LeasePtr later = budget.Ask({.threads = 4, .memory_bytes = 10});
  EXPECT_EQ(Threads(later), 1u);
  const LeasePtr waits = budget.Ask({.threads = 4, .memory_bytes = 10});
  EXPECT_EQ(Threads(waits), 0u);
  under_way.reset();
  EXPECT_EQ(freed, 1);
  EXPECT_EQ(Threads(waits), 0u);
  EXPECT_THAT(budget.StartJobs({Waiting(1, 1, 100)}).start, ElementsAre(1));
}

TEST(Budget, TakesATaskThatWantsMoreThanThereIs) {
  Budget budget(kCapacity);
  const LeasePtr task = budget.Ask({.threads = 99, .memory_bytes = 1000});
  EXPECT_EQ(Threads(task), 4u);
  EXPECT_EQ(budget.task_memory(), 100);
}

TEST(Budget, EndsTheWaitAtTheDeadlineAndWhenNobodyWaits) {
  Budget budget(kCapacity);
  budget.StartJobs({Running(1, 4, 0)});
  LeasePtr in_lane = budget.Ask({});
  const LeasePtr late = budget.Ask({});
  EXPECT_TRUE(absl::IsDeadlineExceeded(late->Await(absl::InfinitePast()).status()));
  const LeasePtr gone = budget.Ask({});
  std::optional<absl::Status> status;
  std::thread waiter([&] { status = gone->Await(absl::InfiniteFuture()).status(); });
  gone->Cancel();
  waiter.join();
  EXPECT_TRUE(absl::IsCancelled(*status)) << *status;
  // Its place in the line is gone, too.
  const LeasePtr last = budget.Ask({});
  late->Cancel();
  in_lane.reset();
  EXPECT_EQ(Threads(last), 1u);
}

TEST(Budget, KeepsWhatWasGrantedWhenNobodyWaitsAnyMore) {
  Budget budget(kCapacity);
  LeasePtr task = budget.Ask({.threads = 4, .memory_bytes = 10});
  task->Cancel();  // Its worker may run still.
  EXPECT_EQ(budget.task_memory(), 10);
  task.reset();
  EXPECT_EQ(budget.task_memory(), 0);
}

TEST(Budget, CallsThoseWhoseTurnComesLater) {
  Budget budget(kCapacity);
  budget.StartJobs({Running(1, 4, 0)});
  int turns = 0;
  LeasePtr in_lane = budget.Ask({}, [&] { ++turns; });
  EXPECT_EQ(turns, 0);
  const LeasePtr next = budget.Ask({}, [&] { ++turns; });
  in_lane.reset();
  EXPECT_EQ(turns, 1);
  EXPECT_EQ(Threads(next), 1u);
}

TEST(Budget, WakesWhoWaits) {
  Budget budget(kCapacity);
  budget.StartJobs({Running(1, 4, 0)});
  LeasePtr in_lane = budget.Ask({});
  const LeasePtr next = budget.Ask({});
  uint32_t threads = 0;
  std::thread waiter([&] { threads = next->Await(absl::InfiniteFuture()).value_or(0); });
  in_lane.reset();
  waiter.join();
  EXPECT_EQ(threads, 1u);
}

}  // namespace
}  // namespace traind::server
