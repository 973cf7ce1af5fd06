// A job that is held at a step, as trials of sweeps are.
#include <gtest/gtest.h>

#include "tests/server/jobs/job_manager_fixture.h"

namespace traind::server {
namespace {

using JobHoldTest = JobManagerTest;

TEST_F(JobHoldTest, PausesWhereItIsHeldAndGoesOnToTheNextPlace) {
  JobManager::NewJob wanted = NewJob("a");
  wanted.job.set_pause_at_step(30);
  ASSERT_TRUE(Submit(wanted).ok());
  const auto first = launcher_.Await(1);
  EXPECT_EQ(first->task.train().pause_at_step(), 30u);
  ASSERT_TRUE(first->Send({Train(30, 0.5), Checkpoint(30)}).ok());
  WorkerExit exit;
  exit.kind = Kind::kStopped;
  exit.result.set_step(30);
  exit.result.set_stopped(true);
  first->End(exit);
  v1::Job job = AwaitState("a", v1::JOB_STATE_PAUSED);
  EXPECT_EQ(job.state_reason(), "has come to step 30, where its sweep holds it");
  EXPECT_EQ(job.pause_at_step(), 30u);

  // A server that was killed keeps it there.
  Stop();
  Start();
  EXPECT_EQ(Get("a").state(), v1::JOB_STATE_PAUSED);

  ASSERT_TRUE(manager_->ResumeTo("a", 90).ok());
  const auto second = launcher_.Await(2);
  EXPECT_EQ(second->task.train().pause_at_step(), 90u);
  // A crash on the way does not lift it.
  second->End(Kind::kCrashed, "killed by signal 9 (SIGKILL)");
  const auto third = launcher_.Await(3);
  EXPECT_EQ(third->task.train().pause_at_step(), 90u);
  ASSERT_TRUE(third->Send({Train(90, 0.25), Checkpoint(90)}).ok());
  exit.result.set_step(90);
  third->End(exit);
  job = AwaitState("a", v1::JOB_STATE_PAUSED, 2);

  // A person's ResumeJob trains to the end.
  ASSERT_TRUE(manager_->Resume("a").ok());
  EXPECT_EQ(launcher_.Await(4)->task.train().pause_at_step(), 0u);
  EXPECT_EQ(Get("a").pause_at_step(), 0u);
}

// Paused by a person before the step where its sweep holds it, and resumed by one, it is held there still.
TEST_F(JobHoldTest, APersonsPauseOnTheWayDoesNotLiftIt) {
  JobManager::NewJob wanted = NewJob("a");
  wanted.job.set_pause_at_step(30);
  ASSERT_TRUE(Submit(wanted).ok());
  const auto first = launcher_.Await(1);
  ASSERT_TRUE(first->Send({Train(20, 0.5)}).ok());
  ASSERT_TRUE(manager_->Pause("a").ok());
  ASSERT_TRUE(first->Send({Checkpoint(20)}).ok());
  WorkerExit exit;
  exit.kind = Kind::kStopped;
  exit.result.set_step(20);
  exit.result.set_stopped(true);
  first->End(exit);
  AwaitState("a", v1::JOB_STATE_PAUSED);
  ASSERT_TRUE(manager_->Resume("a").ok());
  EXPECT_EQ(launcher_.Await(2)->task.train().pause_at_step(), 30u);
  EXPECT_EQ(Get("a").pause_at_step(), 30u);
}

}  // namespace
}  // namespace traind::server
