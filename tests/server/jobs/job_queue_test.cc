// Why jobs wait, and who starts first.
#include <gmock/gmock.h>

#include <string>
#include <thread>

#include "tests/server/jobs/job_manager_fixture.h"

namespace traind::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Kind = WorkerExit::Kind;

class JobQueueTest : public JobManagerTest {
 protected:
  // Waits until the scheduler has seen the job.
  v1::QueueStatus AwaitQueue(const std::string& id, uint32_t place) {
    while (true) {
      const v1::Job job = Get(id);
      if (job.queue().place() == place) return job.queue();
      std::this_thread::yield();
    }
  }
  void CreateShort(const std::string& id) {
    JobManager::NewJob job = NewJob(id, 1);
    job.job.mutable_resolved_spec()->mutable_max_duration()->set_seconds(60);
    EXPECT_TRUE(Submit(job).ok());
  }
  std::string StartedAs(size_t n) { return launcher_.Await(n)->task.train().job(); }
};

TEST_F(JobQueueTest, ShowsWhyAJobWaits) {
  Create("a");
  launcher_.Await(1);
  Create("b");
  Create("c");
  const v1::QueueStatus status = AwaitQueue("c", 2);
  EXPECT_EQ(status.reason(), "needs 2 threads, 0 of 2 are free");
  EXPECT_THAT(status.blocked_by(), ElementsAre("jobs/a", "jobs/b"));
  auto list = manager_->List({});
  ASSERT_TRUE(list.ok()) << list.status();
  ASSERT_EQ(list->jobs_size(), 3);
  EXPECT_EQ(list->jobs(0).queue().place(), 2u);
  EXPECT_EQ(list->jobs(1).queue().place(), 1u);
  EXPECT_FALSE(list->jobs(2).has_queue()) << "it runs";
  launcher_.Await(1)->End(Kind::kFinished);
  AwaitQueue("c", 1);
  EXPECT_FALSE(Get("b").has_queue());
  EXPECT_FALSE(store_->GetJob("c")->job.has_queue()) << "it is nothing to store";
}

TEST_F(JobQueueTest, StartsTheHigherPriorityOfTheJobFirst) {
  Create("a");
  launcher_.Await(1);
  Create("b");
  JobManager::NewJob urgent = NewJob("urgent");
  urgent.job.mutable_spec()->set_priority(5);
  ASSERT_TRUE(Submit(urgent).ok());
  EXPECT_THAT(AwaitQueue("b", 2).blocked_by(), ElementsAre("jobs/a", "jobs/urgent"));
  launcher_.Await(1)->End(Kind::kFinished);
  EXPECT_EQ(StartedAs(2), "jobs/urgent");
}

TEST_F(JobQueueTest, FillsAGapWithAShortJob) {
  Create("a", 1);
  launcher_.Await(1);
  Create("large", 2);
  Create("unknown", 1);
  CreateShort("short");
  EXPECT_EQ(StartedAs(2), "jobs/short");
}

TEST_F(JobQueueTest, LetsNobodyPassAJobThatWasPassedForTooLong) {
  Stop();
  options_.queue_patience = absl::ZeroDuration();
  Start();
  Create("a", 1);
  launcher_.Await(1);
  Create("large", 2);
  CreateShort("first");
  EXPECT_EQ(StartedAs(2), "jobs/first");
  CreateShort("second");
  launcher_.Await(2)->End(Kind::kFinished);
  AwaitState("first", v1::JOB_STATE_SUCCEEDED);
  AwaitQueue("second", 2);
  launcher_.Await(1)->End(Kind::kFinished);
  EXPECT_EQ(StartedAs(3), "jobs/large");
}

TEST_F(JobQueueTest, StartsAJobWhenATaskGivesItsMemoryBack) {
  auto task = budget_->Ask({.memory_bytes = capacity_.memory_bytes});
  Create("a");
  EXPECT_THAT(AwaitQueue("a", 1).reason(), HasSubstr("of memory, 0 MiB of 1 MiB are free"));
  task.reset();
  launcher_.Await(1);
}

}  // namespace
}  // namespace traind::server
