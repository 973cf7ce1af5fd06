// Quotas of owners, and how they share the threads.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "server/scheduler/fair_share.h"
#include "server/scheduler/scheduler.h"

namespace traind::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr Capacity kEight{.threads = 8, .memory_bytes = 1 << 20};

JobSnapshot Of(const std::string& owner, int64_t key, uint32_t threads, int32_t priority = 0) {
  return {.key = key,
          .priority = priority,
          .threads = threads,
          .memory_bytes = 1,
          .name = absl::StrCat("jobs/", key),
          .owner = owner};
}
JobSnapshot Runs(JobSnapshot job) {
  job.has_worker = true;
  return job;
}
std::vector<int64_t> Keys(const std::vector<const JobSnapshot*>& jobs) {
  std::vector<int64_t> keys;
  for (const JobSnapshot* job : jobs) keys.push_back(job->key);
  return keys;
}

TEST(Owners, TakeTurns) {
  const std::vector<JobSnapshot> jobs = {Of("ada", 1, 2), Of("ada", 2, 2), Of("ada", 3, 2), Of("bob", 4, 2),
                                         Of("bob", 5, 2)};
  EXPECT_THAT(Keys(InOrder(jobs).waiting), ElementsAre(1, 4, 2, 5, 3));
  EXPECT_THAT(Keys(InOrder(jobs, {{"bob", {.weight = 2}}}).waiting), ElementsAre(1, 4, 5, 2, 3));
  EXPECT_THAT(Keys(InOrder(jobs, {{"ada", {.lately = 5}}}).waiting), ElementsAre(4, 5, 1, 2, 3)) << "she had her share";
}

TEST(Owners, CountWhatRuns) {
  const std::vector<JobSnapshot> jobs = {Runs(Of("ada", 1, 4)), Of("ada", 2, 1), Of("bob", 3, 2), Of("bob", 4, 2)};
  EXPECT_THAT(Keys(InOrder(jobs).waiting), ElementsAre(3, 4, 2));
}

TEST(Owners, PriorityIsAmongOnesOwnJobs) {
  const std::vector<JobSnapshot> jobs = {Of("ada", 1, 2), Of("ada", 2, 2, 100), Of("ada", 3, 2, 50), Of("bob", 4, 2)};
  EXPECT_THAT(Keys(InOrder(jobs).waiting), ElementsAre(2, 4, 3, 1));
}

TEST(Owners, OneAloneHasTheOrderOfBefore) {
  std::vector<JobSnapshot> jobs = {Of("ada", 3, 1), Of("ada", 1, 8), Of("ada", 2, 1, 7)};
  EXPECT_THAT(Keys(InOrder(jobs, {{"ada", {.weight = 7, .lately = 3}}}).waiting), ElementsAre(2, 1, 3));
}

TEST(Owners, AQuotaHoldsBackItsOwnerAlone) {
  const Owners owners = {{"ada", {.max_threads = 4}}};
  const std::vector<JobSnapshot> jobs = {Runs(Of("ada", 1, 3)), Of("ada", 2, 2), Of("ada", 3, 1), Of("bob", 4, 1)};
  const Schedule schedule = Decide(jobs, kEight, 0, owners);
  EXPECT_THAT(schedule.start, ElementsAre(4));
  EXPECT_THAT(schedule.held, ElementsAre(2, 3)) << "3 would fit, and 2 could wait for ever";
  EXPECT_THAT(schedule.reservations, IsEmpty()) << "they take no room from anybody";
}

TEST(Owners, QuotasAreKeptWithinOneSchedule) {
  const std::vector<JobSnapshot> jobs = {Of("ada", 1, 2), Of("ada", 2, 2), Of("ada", 3, 2)};
  EXPECT_THAT(Decide(jobs, kEight, 0, {{"ada", {.max_threads = 4}}}).start, ElementsAre(1, 2));
  EXPECT_THAT(Decide(jobs, kEight, 0, {{"ada", {.max_jobs = 1}}}).start, ElementsAre(1));
  EXPECT_THAT(Decide(jobs, kEight, 0, {{"ada", {.max_memory_bytes = 2}}}).start, ElementsAre(1, 2));
  EXPECT_THAT(Decide(jobs, kEight, 0, {{"ada", {.max_jobs = 0}}}).start, IsEmpty());
}

TEST(Owners, OneThatNeedsMoreThanTheQuotaHoldsBackNobody) {
  const Owners owners = {{"ada", {.max_threads = 2}}};
  const std::vector<JobSnapshot> jobs = {Of("ada", 1, 4), Of("ada", 2, 2)};
  EXPECT_THAT(Decide(jobs, kEight, 0, owners).start, ElementsAre(2));
  EXPECT_EQ(Explain(jobs, kEight, 0, owners).at(1).reason(), "ada's quota: 0 of 2 threads are taken, it needs 4");
}

TEST(Owners, TheQueueSaysWhoseQuotaItIs) {
  const Owners owners = {{"ada", {.max_threads = 4}}, {"bob", {.max_jobs = 1}}};
  const std::vector<JobSnapshot> jobs = {Runs(Of("ada", 1, 4)), Of("ada", 2, 1), Of("ada", 3, 1), Runs(Of("bob", 4, 1)),
                                         Of("bob", 5, 1)};
  const auto why = Explain(jobs, kEight, 0, owners);
  EXPECT_EQ(why.at(2).reason(), "ada's quota: 4 of 4 threads are taken, it needs 1");
  EXPECT_THAT(why.at(2).blocked_by(), ElementsAre("jobs/1")) << "her own";
  EXPECT_EQ(why.at(3).reason(), "jobs/2 stands before it in the same quota");
  EXPECT_THAT(why.at(5).reason(), HasSubstr("bob's quota: 1 of 1 jobs run"));
}

TEST(FairShare, FadesAndForgets) {
  FairShare share(absl::Hours(1));
  const absl::Time begin = absl::UnixEpoch();
  EXPECT_EQ(share.Average("ada", begin), 0);
  const std::vector<JobSnapshot> jobs = {Runs(Of("ada", 1, 4)), Of("ada", 2, 4), Runs(Of("bob", 3, 1))};
  share.Note(jobs, begin);
  EXPECT_EQ(share.Average("ada", begin), 0);
  EXPECT_NEAR(share.Average("ada", begin + absl::Hours(1)), 4 * (1 - std::exp(-1)), 1e-9);
  EXPECT_NEAR(share.Average("ada", begin + absl::Hours(100)), 4, 1e-9);
  share.Note({}, begin + absl::Hours(100));
  EXPECT_NEAR(share.Average("ada", begin + absl::Hours(101)), 4 * std::exp(-1), 1e-9);
  EXPECT_NEAR(share.Average("bob", begin + absl::Hours(101)), std::exp(-1), 1e-9);
  EXPECT_NEAR(share.Average("ada", begin - absl::Hours(24 * 365)), 4, 1e-9) << "a clock that was set back";
}

// A server that is never idle: each owner always has a job that waits. The thread-hours that each has had.
std::map<std::string, double> Play(const Owners& weights, const std::map<std::string, JobSnapshot>& jobs_of,
                                   const std::map<std::string, absl::Duration>& takes, absl::Duration time) {
  FairShare share;
  std::map<std::string, double> had;
  std::map<int64_t, std::pair<JobSnapshot, absl::Time>> running;  // With the end.
  int64_t next_key = 0;
  const absl::Time begin = absl::UnixEpoch();
  for (absl::Time now = begin; now < begin + time;) {
    std::vector<JobSnapshot> jobs;
    for (const auto& [key, job] : running) jobs.push_back(job.first);
    Owners owners = weights;
    for (const auto& [owner, job] : jobs_of) {
      owners[owner].lately = share.Average(owner, now);
      for (int i = 0; i < 8; ++i) {
        jobs.push_back(job);
        jobs.back().key = ++next_key;
      }
    }
    const Schedule schedule = Decide(jobs, kEight, 0, owners);
    for (JobSnapshot& job : jobs) {
      if (std::count(schedule.start.begin(), schedule.start.end(), job.key) == 0) continue;
      job.has_worker = true;
      const absl::Duration length = takes.at(job.owner);
      running[job.key] = {job, now + length};
      had[job.owner] += job.threads * absl::ToDoubleHours(length);
    }
    share.Note(jobs, now);
    absl::Time next = absl::InfiniteFuture();
    for (const auto& [key, job] : running) next = std::min(next, job.second);
    now = next;
    for (auto job = running.begin(); job != running.end();) {
      job = job->second.second <= now ? running.erase(job) : std::next(job);
    }
  }
  return had;
}

TEST(FairShare, ThreadsComeToBeInProportionToWeights) {
  const Owners weights = {{"ada", {.weight = 1}}, {"bob", {.weight = 2}}, {"eve", {.weight = 5}}};
  const std::map<std::string, absl::Duration> takes = {
      {"ada", absl::Minutes(3)}, {"bob", absl::Minutes(7)}, {"eve", absl::Minutes(2)}};
  // Small jobs side by side; and jobs that take all threads, one after the other.
  for (const uint32_t threads : {1u, 8u}) {
    std::map<std::string, JobSnapshot> jobs;
    for (const auto& [owner, share] : weights) jobs[owner] = Of(owner, 0, threads);
    auto had = Play(weights, jobs, takes, absl::Hours(100));
    const double all = had["ada"] + had["bob"] + had["eve"];
    EXPECT_NEAR(all, 800, 8) << "no thread is idle";
    // An average that forgets remembers the last job best: with one at a time it is a little off.
    const double off = threads == 1 ? 0.02 : 0.05;
    EXPECT_NEAR(had["ada"] / all, 1.0 / 8, off) << threads;
    EXPECT_NEAR(had["bob"] / all, 2.0 / 8, off) << threads;
    EXPECT_NEAR(had["eve"] / all, 5.0 / 8, off) << threads;
  }
}

TEST(FairShare, ManySmallJobsGetNoMoreThanAFewLargeOnes) {
  const std::map<std::string, JobSnapshot> jobs = {{"ada", Of("ada", 0, 1)}, {"bob", Of("bob", 0, 4)}};
  auto had = Play({}, jobs, {{"ada", absl::Minutes(1)}, {"bob", absl::Minutes(30)}}, absl::Hours(100));
  EXPECT_NEAR(had["ada"] / (had["ada"] + had["bob"]), 0.5, 0.1);
}

}  // namespace
}  // namespace traind::server
