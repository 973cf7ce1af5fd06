// What happens to jobs by itself: starts, events, ends of workers, restarts, the start and the end of the server.
#include <gmock/gmock.h>

#include <filesystem>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "server/jobs/job_manager.h"
#include "server/resources/job_state.h"
#include "server/store/sqlite_job_store.h"
#include "tests/server/jobs/job_manager_fixture.h"

namespace traind::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST_F(JobManagerTest, RunsAJobToItsEnd) {
  Create("a");
  auto worker = launcher_.Await(1);
  EXPECT_EQ(worker->task.train().job(), "jobs/a");
  EXPECT_EQ(worker->task.threads(), 2u);
  EXPECT_EQ(worker->task.dataset_dir(), folder_->Item("datasets", "digits"));
  ASSERT_TRUE(worker->Send({Train(10, 0.5), Checkpoint(10)}).ok());
  worker->callbacks.on_heartbeat(17);
  v1::Job running = Get("a");
  EXPECT_EQ(running.state(), v1::JOB_STATE_RUNNING);
  EXPECT_EQ(running.progress().step(), 17u);
  EXPECT_EQ(running.progress().loss(), 0.5);
  EXPECT_EQ(running.progress().checkpoint_step(), 10u);
  worker->End(Kind::kFinished);
  v1::Job done = AwaitState("a", v1::JOB_STATE_SUCCEEDED);
  EXPECT_EQ(done.attempts(), 1u);
  EXPECT_TRUE(done.has_start_time());
  EXPECT_TRUE(done.has_end_time());
  const auto events = Events("a");
  ASSERT_EQ(events.size(), 5u);
  for (size_t i = 0; i < events.size(); ++i) EXPECT_EQ(events[i].sequence(), static_cast<int64_t>(i) + 1);
  EXPECT_EQ(done.last_sequence(), 5);
  EXPECT_THAT(States("a"), ElementsAre(v1::JOB_STATE_QUEUED, v1::JOB_STATE_RUNNING, v1::JOB_STATE_SUCCEEDED));
}

TEST_F(JobManagerTest, FailsWithTheTasksOwnError) {
  Create("a");
  WorkerExit exit;
  exit.kind = Kind::kTaskFailed;
  exit.status = absl::AbortedError("the loss is not finite at step 3");
  exit.last_log_lines = {"one", "two"};
  launcher_.Await(1)->End(exit);
  v1::Job job = AwaitState("a", v1::JOB_STATE_FAILED);
  EXPECT_EQ(job.error().code(), static_cast<int>(absl::StatusCode::kAborted));
  EXPECT_EQ(job.error().message(), "the loss is not finite at step 3");
  EXPECT_THAT(job.error().last_log_lines(), ElementsAre("one", "two"));
  EXPECT_EQ(Events("a").back().state().error().message(), job.error().message());
}

TEST_F(JobManagerTest, RestartsACrashedWorkerUntilTheLimit) {
  Create("a");
  ASSERT_TRUE(launcher_.Await(1)->Send({Train(10, 0.5), Checkpoint(10), Train(20, 0.4)}).ok());
  launcher_.Await(1)->End(Kind::kCrashed, "killed by signal 9 (SIGKILL)");
  auto second = launcher_.Await(2);
  // The replay is not stored again; what is new is.
  ASSERT_TRUE(second->Send({Train(20, 0.4), Train(30, 0.3)}).ok());
  second->End(Kind::kHung);
  launcher_.Await(3)->End(Kind::kCrashed, "exit code 3");
  v1::Job job = AwaitState("a", v1::JOB_STATE_FAILED);
  EXPECT_EQ(job.attempts(), 3u);
  EXPECT_EQ(job.restarts(), 2u);
  EXPECT_EQ(job.error().code(), static_cast<int>(absl::StatusCode::kInternal));
  EXPECT_THAT(job.error().message(), HasSubstr("worker 3 of at most 3: exit code 3"));
  EXPECT_THAT(job.error().last_log_lines(), ElementsAre("the last words"));
  EXPECT_EQ(launcher_.started(), 3u);
  std::vector<uint64_t> steps;
  std::string reason;
  for (const v1::Event& event : Events("a")) {
    if (event.has_train()) steps.push_back(event.step());
    if (event.has_state() && event.state().state() == v1::JOB_STATE_QUEUED && event.state().attempt() == 1) {
      reason = event.state().reason();
    }
  }
  EXPECT_THAT(steps, ElementsAre(10, 20, 30));
  EXPECT_EQ(reason, "worker 1 of at most 3 was killed by signal 9 (SIGKILL); going on from step 10");
}

TEST_F(JobManagerTest, CountsWorkersThatCannotBeStarted) {
  launcher_.Fail(absl::NotFoundError("no traind-worker"));
  Create("a");
  EXPECT_THAT(AwaitState("a", v1::JOB_STATE_FAILED).error().message(), HasSubstr("no traind-worker"));
}

TEST_F(JobManagerTest, ReportsAReplayThatDiffers) {
  Create("a");
  ASSERT_TRUE(launcher_.Await(1)->Send({Train(10, 0.5)}).ok());
  launcher_.Await(1)->End(Kind::kCrashed, "exit code 1");
  ASSERT_TRUE(launcher_.Await(2)->Send({Train(10, 0.6)}).ok());
  EXPECT_THAT(Events("a").back().log().text(), HasSubstr("step 10"));
}

TEST_F(JobManagerTest, RefusesStateEventsOfAWorker) {
  Create("a");
  v1::Event event;
  event.mutable_state()->set_state(v1::JOB_STATE_SUCCEEDED);
  EXPECT_TRUE(absl::IsInvalidArgument(launcher_.Await(1)->Send({event})));
  EXPECT_TRUE(absl::IsInvalidArgument(launcher_.Await(1)->Send({v1::Event()})));
}

TEST_F(JobManagerTest, StartsTheNextJobWhenThreadsAreFree) {
  Create("a");
  launcher_.Await(1);
  Create("b", 1);
  Create("c", 1);
  EXPECT_EQ(Get("b").state(), v1::JOB_STATE_QUEUED);
  launcher_.Await(1)->End(Kind::kFinished);
  EXPECT_EQ(launcher_.Await(2)->task.train().job(), "jobs/b");
  EXPECT_EQ(launcher_.Await(3)->task.train().job(), "jobs/c");
}

TEST_F(JobManagerTest, GoesOnAfterTheServerWasKilled) {
  Create("running");
  ASSERT_TRUE(launcher_.Await(1)->Send({Train(10, 0.5), Checkpoint(10)}).ok());
  Create("queued");
  Stop();  // The workers die with the server.
  Start();
  v1::Job job = AwaitState("running", v1::JOB_STATE_RUNNING, 2);
  EXPECT_EQ(job.attempts(), 2u);
  EXPECT_EQ(job.restarts(), 0u) << "a restart of the server is none of the worker";
  EXPECT_EQ(Get("queued").state(), v1::JOB_STATE_QUEUED);
  EXPECT_THAT(States("running"),
              ElementsAre(v1::JOB_STATE_QUEUED, v1::JOB_STATE_RUNNING, v1::JOB_STATE_QUEUED, v1::JOB_STATE_RUNNING));
  auto worker = launcher_.Await(2);
  ASSERT_TRUE(worker->Send({Train(10, 0.5), Train(20, 0.4)}).ok());
  int64_t sequence = 0;
  int trained = 0;
  for (const v1::Event& event : Events("running")) {
    EXPECT_EQ(event.sequence(), ++sequence);
    trained += event.has_train();
  }
  EXPECT_EQ(trained, 2);
}

TEST_F(JobManagerTest, CancellingJobsAreCancelledByARestart) {
  Create("a");
  launcher_.Await(1);
  ASSERT_TRUE(manager_->Cancel("a").ok());
  Stop();
  Start();
  EXPECT_EQ(Get("a").state(), v1::JOB_STATE_CANCELLED);
}

TEST_F(JobManagerTest, RemovesFoldersThatNoJobHas) {
  std::filesystem::create_directories(folder_->CheckpointDir("orphan"));
  Stop();
  Start();
  EXPECT_FALSE(folder_->Exists("jobs", "orphan"));
}

TEST_F(JobManagerTest, ShutdownStopsWorkersAndQueuesTheirJobs) {
  Create("a", 1);
  Create("b", 1);
  auto a = launcher_.Await(1);
  auto b = launcher_.Await(2);
  ASSERT_TRUE(manager_->Cancel("b").ok());
  std::thread shutdown([this] { manager_->Shutdown(absl::InfiniteDuration()); });
  EXPECT_EQ(a->AwaitStop(), internal::Stop::REASON_SHUTDOWN);
  EXPECT_EQ(b->AwaitStop(), internal::Stop::REASON_CANCEL);
  EXPECT_TRUE(absl::IsUnavailable(Submit(NewJob("c")).status()));
  a->End(Kind::kStopped);
  b->End(Kind::kStopped);
  shutdown.join();
  EXPECT_EQ(Get("a").state(), v1::JOB_STATE_QUEUED);
  EXPECT_EQ(Get("a").restarts(), 0u);
  EXPECT_EQ(Get("b").state(), v1::JOB_STATE_CANCELLED);
  EXPECT_EQ(launcher_.started(), 2u);
}

TEST_F(JobManagerTest, ShutdownKillsWhoDoesNotEnd) {
  Create("a");
  launcher_.Await(1);
  manager_->Shutdown(absl::ZeroDuration());
  EXPECT_TRUE(HasWorker(Get("a").state()) || Get("a").state() == v1::JOB_STATE_QUEUED);
  Stop();
  Start();
  EXPECT_EQ(AwaitState("a", v1::JOB_STATE_RUNNING).restarts(), 0u);
}

// The store with a bound stands for a disk that is full.
TEST_F(JobManagerTest, AFullDiskIsAnErrorForTheCallerAndTheServerLives) {
  Stop();
  auto store = SqliteJobStore::Open({.path = path_.path() + "/traind.db", .max_bytes = 128 << 10});
  ASSERT_TRUE(store.ok()) << store.status();
  store_ = *std::move(store);
  Start();
  JobManager::NewJob request = NewJob("big");
  request.job.mutable_spec()->set_display_name(std::string(256 << 10, 'x'));
  EXPECT_TRUE(absl::IsResourceExhausted(Submit(request).status()));
  EXPECT_TRUE(absl::IsNotFound(manager_->Get("big").status()));
  EXPECT_EQ(Create("small").state(), v1::JOB_STATE_QUEUED);
  // A worker's events wait for room; the server's end lets go of them, unacknowledged.
  auto worker = launcher_.Await(1);
  v1::Event log;
  log.mutable_log()->set_text(std::string(256 << 10, 'x'));
  absl::Status sent;
  std::thread sender([&] { sent = worker->Send({log}); });
  manager_->Shutdown(absl::ZeroDuration());
  sender.join();
  EXPECT_TRUE(absl::IsResourceExhausted(sent)) << sent;
}

}  // namespace
}  // namespace traind::server
