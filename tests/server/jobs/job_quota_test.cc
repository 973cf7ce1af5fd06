// What quotas let the jobs of an owner do.
#include <gmock/gmock.h>

#include <map>
#include <string>
#include <thread>

#include "absl/strings/match.h"
#include "tests/server/jobs/job_manager_fixture.h"
#include "traind/rpc/error_details.pb.h"

namespace traind::server {
namespace {

using ::testing::HasSubstr;
using Kind = WorkerExit::Kind;

class JobQuotaTest : public JobManagerTest {
 protected:
  JobQuotaTest() {
    capacity_.threads = 8;
    options_.quota_interval = absl::Milliseconds(1);
    options_.quota_of = [this](const std::string& owner) -> absl::StatusOr<UserQuota> {
      absl::MutexLock lock(&mu_);
      return quotas_[owner];
    };
    Stop();
    Start();
  }
  ~JobQuotaTest() override { Stop(); }

  void Limit(const std::string& owner, QuotaKind kind, int64_t limit) {
    absl::MutexLock lock(&mu_);
    SetValue(quotas_[owner].limits, kind, limit);
  }
  absl::StatusOr<v1::Job> SubmitAs(const std::string& owner, const std::string& id, uint32_t threads = 1) {
    return manager_->Create(v1::CreateJobRequest(), [&](const auto&) { return NewJob(id, threads); },
                            {.user = owner, .role = v1::ROLE_USER});
  }
  std::string AwaitReason(const std::string& id, const std::string& part) {
    while (true) {
      const v1::Job job = Get(id);
      if (absl::StrContains(job.queue().reason(), part)) return job.queue().reason();
      std::this_thread::yield();
    }
  }

  absl::Mutex mu_;
  std::map<std::string, UserQuota> quotas_ ABSL_GUARDED_BY(mu_);
};

TEST_F(JobQuotaTest, ThreadsOfAnOwnerAreKept) {
  Limit("ada", QuotaKind::kThreads, 2);
  ASSERT_TRUE(SubmitAs("ada", "a", 2).ok());
  launcher_.Await(1);
  ASSERT_TRUE(SubmitAs("ada", "b", 1).ok());
  EXPECT_EQ(AwaitReason("b", "quota"), "ada's quota: 2 of 2 threads are taken, it needs 1");
  ASSERT_TRUE(SubmitAs("bob", "c", 2).ok());
  EXPECT_EQ(launcher_.Await(2)->task.train().job(), "jobs/c") << "others are not held back";
  const JobManager::Use use = manager_->UseOf("ada");
  EXPECT_EQ(use.queued, 1);
  EXPECT_EQ(use.running, 1);
  EXPECT_EQ(use.threads, 2);
  EXPECT_EQ(use.memory_bytes, 1000);
  launcher_.Await(1)->End(Kind::kFinished);
  EXPECT_EQ(launcher_.Await(3)->task.train().job(), "jobs/b");
}

TEST_F(JobQuotaTest, ALargerQuotaCountsForThoseThatWait) {
  Limit("ada", QuotaKind::kRunningJobs, 1);
  ASSERT_TRUE(SubmitAs("ada", "a").ok());
  ASSERT_TRUE(SubmitAs("ada", "b").ok());
  EXPECT_EQ(AwaitReason("b", "quota"), "ada's quota: 1 of 1 jobs run");
  Limit("ada", QuotaKind::kRunningJobs, 2);
  EXPECT_EQ(launcher_.Await(2)->task.train().job(), "jobs/b") << "nothing else has happened";
}

TEST_F(JobQuotaTest, WhatCanNeverRunIsRefused) {
  Limit("ada", QuotaKind::kThreads, 2);
  Limit("ada", QuotaKind::kMemory, 1000);
  const absl::Status threads = SubmitAs("ada", "a", 3).status();
  EXPECT_TRUE(absl::IsResourceExhausted(threads));
  EXPECT_THAT(std::string(threads.message()), HasSubstr("ada's quota of threads is 2"));
  EXPECT_TRUE(threads.GetPayload(kQuotaFailureUrl).has_value());
  EXPECT_FALSE(threads.GetPayload(kRetryInfoUrl).has_value()) << "no wait helps";
  EXPECT_TRUE(SubmitAs("ada", "b", 2).ok());
  Limit("ada", QuotaKind::kMemory, 999);
  EXPECT_THAT(std::string(SubmitAs("ada", "c", 2).status().message()), HasSubstr("memory_bytes"));
  EXPECT_TRUE(SubmitAs("bob", "d", 8).ok());
}

TEST_F(JobQuotaTest, AFullQueueSaysWhenToComeBack) {
  Limit("ada", QuotaKind::kRunningJobs, 1);
  Limit("ada", QuotaKind::kQueuedJobs, 1);
  ASSERT_TRUE(SubmitAs("ada", "a").ok());
  launcher_.Await(1);
  ASSERT_TRUE(SubmitAs("ada", "b").ok());
  const absl::Status full = SubmitAs("ada", "c").status();
  EXPECT_TRUE(absl::IsResourceExhausted(full));
  EXPECT_TRUE(full.GetPayload(kRetryInfoUrl).has_value());
  EXPECT_TRUE(absl::IsNotFound(manager_->Get("c").status()));
  ASSERT_TRUE(manager_->Pause("b").ok());
  ASSERT_TRUE(SubmitAs("ada", "c").ok()) << "a paused one does not wait";
  EXPECT_TRUE(absl::IsResourceExhausted(manager_->Resume("b").status()));
  ASSERT_TRUE(manager_->Cancel("c").ok());
  EXPECT_TRUE(manager_->Resume("b").ok());
}

TEST_F(JobQuotaTest, AJobWithTooManyEventsIsPaused) {
  ASSERT_TRUE(SubmitAs("ada", "a").ok());
  ASSERT_TRUE(SubmitAs("bob", "b").ok());
  const auto worker = launcher_.Await(1);
  Limit("ada", QuotaKind::kEvents, 1);
  EXPECT_EQ(worker->AwaitStop(), internal::Stop::REASON_PAUSE);
  worker->End(Kind::kStopped);
  const v1::Job paused = AwaitState("a", v1::JOB_STATE_PAUSED);
  EXPECT_THAT(paused.state_reason(), HasSubstr("ada's quota of event_bytes is 1"));
  EXPECT_EQ(paused.stop_reason(), "");
  EXPECT_TRUE(absl::IsResourceExhausted(manager_->Resume("a").status()));
  EXPECT_TRUE(absl::IsResourceExhausted(SubmitAs("ada", "c").status()));
  EXPECT_EQ(Get("b").state(), v1::JOB_STATE_RUNNING);
  Limit("ada", QuotaKind::kEvents, 1 << 20);
  EXPECT_TRUE(manager_->Resume("a").ok());
}

TEST_F(JobQuotaTest, JobsOfBeforeCountAfterARestart) {
  Limit("ada", QuotaKind::kThreads, 1);
  ASSERT_TRUE(SubmitAs("ada", "a").ok());
  ASSERT_TRUE(SubmitAs("ada", "b").ok());
  launcher_.Await(1);
  Stop();
  Start();
  EXPECT_EQ(launcher_.Await(2)->task.train().job(), "jobs/a");
  AwaitReason("b", "quota");
  EXPECT_EQ(manager_->UseOf("ada").queued, 1);
}

TEST_F(JobQuotaTest, WeightsDecideWhoIsNext) {
  {
    absl::MutexLock lock(&mu_);
    quotas_["bob"].weight = 2;
  }
  ASSERT_TRUE(SubmitAs("eve", "first", 8).ok());
  launcher_.Await(1);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(SubmitAs("ada", "a" + std::to_string(i), 4).ok());
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(SubmitAs("bob", "b" + std::to_string(i), 4).ok());
  launcher_.Await(1)->End(Kind::kFinished);
  EXPECT_EQ(launcher_.Await(2)->task.train().job(), "jobs/a0");
  EXPECT_EQ(launcher_.Await(3)->task.train().job(), "jobs/b0") << "not hers again";
}

}  // namespace
}  // namespace traind::server
