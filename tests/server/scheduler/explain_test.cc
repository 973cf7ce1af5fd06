#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/scheduler/scheduler.h"

namespace traind::server {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr int64_t kMiB = 1 << 20;
constexpr int64_t kGiB = int64_t{1} << 30;
constexpr Capacity kCapacity{.threads = 8, .memory_bytes = 8 * kGiB};

JobSnapshot Job(int64_t key, uint32_t threads, int64_t memory = kMiB) {
  return {.key = key, .threads = threads, .memory_bytes = memory, .name = absl::StrCat("jobs/", key)};
}
JobSnapshot Running(JobSnapshot job) {
  job.has_worker = true;
  return job;
}

TEST(Explain, SaysWhichThreadsAreMissingAndWhoHasThem) {
  const auto why = Explain({Running(Job(1, 4)), Running(Job(2, 2)), Job(3, 4)}, kCapacity);
  ASSERT_EQ(why.size(), 1u);
  EXPECT_EQ(why.at(3).place(), 1u);
  EXPECT_EQ(why.at(3).reason(), "needs 4 threads, 2 of 8 are free");
  EXPECT_THAT(why.at(3).blocked_by(), ElementsAre("jobs/1", "jobs/2"));
}

TEST(Explain, SaysWhichMemoryIsMissing) {
  const std::vector<JobSnapshot> jobs = {Running(Job(1, 1, 6 * kGiB)), Job(2, 1, 3 * kGiB + kGiB / 8)};
  EXPECT_EQ(Explain(jobs, kCapacity).at(2).reason(), "needs 3.1 GiB of memory, 2.0 GiB of 8.0 GiB are free");
  EXPECT_EQ(Explain(jobs, kCapacity, kGiB + 1).at(2).reason(), "needs 3.1 GiB of memory, 1024 MiB of 8.0 GiB are free");
  EXPECT_EQ(Explain({Running(Job(1, 8, 8 * kGiB)), Job(2, 1, 500 * kMiB)}, kCapacity).at(2).reason(),
            "needs 1 thread, 0 of 8 are free; needs 500 MiB of memory, 0 MiB of 8.0 GiB are free");
}

TEST(Explain, SaysWhoStandsBefore) {
  JobSnapshot urgent = Job(9, 8);
  urgent.priority = 5;
  const auto why = Explain({Running(Job(1, 4)), Job(2, 2), urgent, Job(3, 2)}, kCapacity);
  EXPECT_EQ(why.at(9).place(), 1u);
  EXPECT_EQ(why.at(2).place(), 2u);
  EXPECT_EQ(why.at(2).reason(), "jobs/9 with priority 5 stands before it");
  EXPECT_THAT(why.at(2).blocked_by(), ElementsAre("jobs/9"));
  EXPECT_EQ(why.at(3).place(), 3u);
  EXPECT_THAT(why.at(3).blocked_by(), ElementsAre("jobs/9", "jobs/2"));
  EXPECT_EQ(Explain({Running(Job(1, 4)), Job(2, 8), Job(3, 2)}, kCapacity).at(3).reason(), "jobs/2 stands before it");
}

TEST(Explain, SaysThatTheServerIsTooSmall) {
  const auto why = Explain({Job(1, 9), Job(2, 1, 9 * kGiB), Job(3, 1)}, kCapacity);
  EXPECT_EQ(why.at(1).reason(), "needs 9 threads, the server has 8; waits for one with more");
  EXPECT_EQ(why.at(2).reason(), "needs 9.0 GiB of memory, the server has 8.0 GiB; waits for one with more");
  EXPECT_THAT(why.at(1).blocked_by(), IsEmpty());
  // They block nobody.
  EXPECT_EQ(why.at(3).reason(), "starts now");
  EXPECT_THAT(why.at(3).blocked_by(), IsEmpty());
}

TEST(Explain, NamesTenBlockersAtMost) {
  std::vector<JobSnapshot> jobs;
  for (int64_t key = 1; key <= 7; ++key) jobs.push_back(Running(Job(key, 1)));
  for (int64_t key = 8; key <= 20; ++key) jobs.push_back(Job(key, 8));
  const auto why = Explain(jobs, kCapacity);
  EXPECT_EQ(why.at(8).blocked_by_size(), 7);
  EXPECT_EQ(why.at(20).place(), 13u);
  EXPECT_THAT(why.at(20).blocked_by(), ElementsAre("jobs/1", "jobs/2", "jobs/3", "jobs/4", "jobs/5", "jobs/6", "jobs/7",
                                                   "jobs/8", "jobs/9", "jobs/10"));
}

}  // namespace
}  // namespace traind::server
