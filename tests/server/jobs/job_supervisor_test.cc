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
using ::testing::MatchesRegex;

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
  launcher_.Await(3)->End(Kind::kCrashed, "exit code 1");
  launcher_.Await(4)->End(Kind::kCrashed, "exit code 3");
  v1::Job job = AwaitState("a", v1::JOB_STATE_FAILED);
  EXPECT_EQ(job.attempts(), 4u);
  EXPECT_EQ(job.restarts(), 3u) << "the first one got further, from step 20 to 30";
  EXPECT_EQ(job.error().code(), static_cast<int>(absl::StatusCode::kInternal));
  EXPECT_THAT(job.error().message(),
              HasSubstr("worker 4 of at most 4: exit code 3; it was restarted 2 times and got no "
                        "further than step 30"));
  EXPECT_THAT(job.error().last_log_lines(), ElementsAre("the last words"));
  EXPECT_EQ(launcher_.started(), 4u);
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

// The limit of open files was reached, say: the job waits, says why, and runs when the machine can.
TEST_F(JobManagerTest, WorkersThatCannotBeStartedDoNotCount) {
  launcher_.Fail(absl::ResourceExhaustedError("pipe: Too many open files"));
  Create("a");
  const v1::Job waiting = AwaitState("a", v1::JOB_STATE_QUEUED, 8);
  EXPECT_GE(waiting.attempts(), 7u);
  EXPECT_THAT(waiting.state_reason(), HasSubstr("could not be started: pipe: Too many open files"));
  launcher_.Fail(absl::OkStatus());
  launcher_.Await(1)->End(Kind::kFinished);
  AwaitState("a", v1::JOB_STATE_SUCCEEDED);
}

TEST_F(JobManagerTest, AJobThatGotNoFurtherWaitsTwiceAsLongEachTime) {
  Stop();
  options_.first_wait = absl::Hours(1);
  options_.longest_wait = absl::Hours(3);
  Start();
  Create("a");
  ASSERT_TRUE(launcher_.Await(1)->Send({Train(10, 0.5)}).ok());
  launcher_.Await(1)->End(Kind::kCrashed, "exit code 3");
  launcher_.Await(2)->End(Kind::kCrashed, "exit code 4");  // Started at once: the first one got further.
  AwaitState("a", v1::JOB_STATE_QUEUED, 3);
  v1::Job job = Get("a");
  EXPECT_THAT(job.queue().reason(), MatchesRegex("tries again in 3[56].. s: worker 2 of at most 3: exit code 4.*"));
  EXPECT_EQ(job.queue().place(), 0u);
  // Others have its threads meanwhile, and it can be cancelled.
  Create("b");
  EXPECT_EQ(launcher_.Await(3)->task.train().job(), "jobs/b");
  EXPECT_EQ(manager_->Cancel("a")->state(), v1::JOB_STATE_CANCELLED);
  // A person who resumes it waits for nothing.
  launcher_.Await(3)->End(Kind::kFinished);
  ASSERT_TRUE(manager_->Resume("a").ok());
  EXPECT_EQ(launcher_.Await(4)->task.train().job(), "jobs/a");
}

TEST_F(JobManagerTest, WhatItGotFurtherCountsAnew) {
  Create("a");
  uint64_t step = 0;
  for (size_t attempt = 1; attempt <= 8; ++attempt) {
    auto worker = launcher_.Await(attempt);
    ASSERT_TRUE(worker->Send({Train(++step, 0.5)}).ok());
    worker->End(Kind::kCrashed, "exit code 3");
  }
  AwaitState("a", v1::JOB_STATE_RUNNING, 9);
  EXPECT_EQ(Get("a").restarts(), 8u);
  for (size_t attempt = 9; attempt <= 10; ++attempt) launcher_.Await(attempt)->End(Kind::kCrashed, "exit code 3");
  EXPECT_EQ(AwaitState("a", v1::JOB_STATE_FAILED).restarts(), 9u) << "two of them since step 8";
}

TEST_F(JobManagerTest, WhatARunningJobWaitsForIsShown) {
  Create("a");
  auto worker = launcher_.Await(1);
  worker->callbacks.on_waits("room on the disk: 3 bytes are free");
  EXPECT_EQ(Get("a").queue().reason(), "needs room on the disk: 3 bytes are free");
  EXPECT_EQ(Get("a").state_reason(), "needs room on the disk: 3 bytes are free");
  EXPECT_EQ(manager_->List({})->jobs(0).queue().reason(), "needs room on the disk: 3 bytes are free");
  worker->callbacks.on_waits("");
  EXPECT_FALSE(Get("a").has_queue());
  worker->callbacks.on_waits("room");
  worker->End(Kind::kFinished);
  EXPECT_FALSE(AwaitState("a", v1::JOB_STATE_SUCCEEDED).has_queue());
}

TEST_F(JobManagerTest, NoJobIsBegunWithoutRoomOnTheDisk) {
  Stop();
  options_.check_room = [] { return absl::ResourceExhaustedError("the disk of /data is full: 3 bytes are free"); };
  Start();
  EXPECT_TRUE(absl::IsResourceExhausted(Submit(NewJob("a")).status()));
  EXPECT_TRUE(absl::IsNotFound(manager_->Get("a").status()));
  EXPECT_FALSE(folder_->Exists("jobs", "a"));
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

// As after an older traind.db was put back: its folders may be all that is left of newer jobs.
TEST_F(JobManagerTest, SetsFoldersAsideThatNoJobHas) {
  std::filesystem::create_directories(folder_->CheckpointDir("orphan"));
  Stop();
  Start();
  EXPECT_FALSE(folder_->Exists("jobs", "orphan"));
  const auto trash = folder_->ListTrash();
  ASSERT_TRUE(trash.ok()) << trash.status();
  ASSERT_EQ(trash->size(), 1u);
  EXPECT_TRUE(std::filesystem::exists(trash->front().path + "/checkpoints"));
  Stop();
  Start();
  EXPECT_EQ(folder_->ListTrash()->size(), 1u) << "another start takes it away";
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

// Its events have no room, and the job that is to end does not wait for any.
TEST_F(JobManagerTest, AJobThatWaitsForRoomCanBeCancelled) {
  Stop();
  auto store = SqliteJobStore::Open({.path = path_.path() + "/traind.db", .max_bytes = 256 << 10});
  ASSERT_TRUE(store.ok()) << store.status();
  store_ = *std::move(store);
  Start();
  Create("a");
  auto worker = launcher_.Await(1);
  v1::Event log;
  log.mutable_log()->set_text(std::string(512 << 10, 'x'));
  absl::Status sent;
  std::thread sender([&] { sent = worker->Send({log}); });
  while (!Get("a").has_queue()) absl::SleepFor(absl::Milliseconds(1));
  EXPECT_THAT(Get("a").queue().reason(), HasSubstr("needs room on the server's disk for its events"));
  EXPECT_EQ(manager_->Cancel("a")->state(), v1::JOB_STATE_CANCELLING);
  sender.join();
  EXPECT_TRUE(absl::IsResourceExhausted(sent)) << sent;
  WorkerExit exit;
  exit.kind = Kind::kRejected;
  exit.status = sent;
  worker->End(exit);
  EXPECT_THAT(AwaitState("a", v1::JOB_STATE_CANCELLED).state_reason(), HasSubstr("its last events are not stored"));
}

TEST_F(JobManagerTest, ADamagedRecordStopsNothingAndCanBeDeleted) {
  Stop();
  const std::string path = path_.path() + "/traind.db";
  store_ = *SqliteJobStore::Open({.path = path});
  Start();
  Create("a");
  Create("b");
  std::filesystem::create_directories(folder_->CheckpointDir("b"));
  Stop();
  store_.reset();
  ASSERT_TRUE(
      Execute(OpenConnection(path, SQLITE_OPEN_READWRITE)->get(), "UPDATE jobs SET record = x'ffff' WHERE id = 'b'")
          .ok());
  store_ = *SqliteJobStore::Open({.path = path});
  Start();
  auto list = manager_->List({});
  ASSERT_TRUE(list.ok()) << list.status();
  ASSERT_EQ(list->jobs_size(), 1);
  EXPECT_EQ(list->jobs(0).name(), "jobs/a");
  EXPECT_THAT(list->unreachable(), ElementsAre("jobs/b"));
  EXPECT_TRUE(absl::IsDataLoss(manager_->Get("b").status()));
  EXPECT_TRUE(absl::IsDataLoss(manager_->Cancel("b").status()));
  EXPECT_TRUE(folder_->Exists("jobs", "b"));
  EXPECT_TRUE(manager_->Delete("b").ok());
  EXPECT_FALSE(folder_->Exists("jobs", "b"));
  EXPECT_EQ(manager_->List({})->unreachable_size(), 0);
  Create("b");
}

}  // namespace
}  // namespace traind::server
