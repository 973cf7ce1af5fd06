#include "server/jobs/job_manager.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "server/resources/job_state.h"
#include "tests/server/fake_launcher.h"
#include "tests/support/temporary_folder.h"

namespace traind::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Kind = WorkerExit::Kind;

v1::Event Train(uint64_t step, double loss) {
  v1::Event event;
  event.set_step(step);
  event.mutable_train()->set_loss(loss);
  return event;
}

v1::Event Checkpoint(uint64_t step) {
  v1::Event event;
  event.set_step(step);
  event.mutable_checkpoint()->set_name("checkpoint");
  return event;
}

class JobManagerTest : public ::testing::Test {
 protected:
  JobManagerTest() { Start(); }
  ~JobManagerTest() override { Stop(); }

  // A server's life: Stop is what SIGKILL leaves behind once the process is gone.
  void Start() {
    folder_ = *DataFolder::Open(path_.path());
    std::filesystem::create_directories(folder_->Item("datasets", "digits"));
    store_ = *Store::Open({.path = folder_->Database(), .max_bytes = max_store_bytes_});
    log_ = std::make_unique<EventLog>(store_.get());
    auto manager = JobManager::Start(options_, store_.get(), log_.get(), folder_.get(), &launcher_);
    ASSERT_TRUE(manager.ok()) << manager.status();
    manager_ = *std::move(manager);
  }
  void Stop() {
    manager_.reset();
    log_.reset();
    store_.reset();
    folder_.reset();
  }

  static JobManager::NewJob NewJob(const std::string& id, uint32_t threads = 2) {
    JobManager::NewJob request;
    if (!id.empty()) request.job.set_name("jobs/" + id);
    request.job.set_threads(threads);
    request.job.set_memory_bound_bytes(1000);
    request.job.mutable_resolved_spec()->mutable_data()->set_dataset("datasets/digits");
    request.job.mutable_progress()->set_steps_per_epoch(100);
    return request;
  }
  v1::Job Create(const std::string& id, uint32_t threads = 2) {
    auto job = manager_->Create(NewJob(id, threads));
    EXPECT_TRUE(job.ok()) << job.status();
    return job.value_or(v1::Job());
  }
  v1::Job Get(const std::string& id) {
    auto job = manager_->Get(id);
    EXPECT_TRUE(job.ok()) << job.status();
    return job.value_or(v1::Job());
  }
  std::vector<v1::Event> Events(const std::string& id) {
    std::vector<v1::Event> events;
    auto job = store_->GetJob(id);
    if (!job.ok()) return events;
    auto batch = store_->ReadEvents(job->key, {.max_bytes = 1 << 30});
    for (const auto& event : batch->events) events.push_back(*event);
    return events;
  }
  std::vector<v1::JobState> States(const std::string& id) {
    std::vector<v1::JobState> states;
    for (const v1::Event& event : Events(id)) {
      if (event.has_state()) states.push_back(event.state().state());
    }
    return states;
  }
  // Waits until the job's newest STATE event is `state` and is number `count` of its kind.
  v1::Job AwaitState(const std::string& id, v1::JobState state, int count = 1) {
    absl::Mutex mu;
    bool changed = true;
    const JobKey key = store_->GetJob(id)->key;
    const int64_t subscription = log_->Subscribe(key, [&] {
      absl::MutexLock lock(&mu);
      changed = true;
    });
    while (true) {
      {
        absl::MutexLock lock(&mu);
        mu.Await(absl::Condition(&changed));
        changed = false;
      }
      const std::vector<v1::JobState> states = States(id);
      if (!states.empty() && states.back() == state && std::count(states.begin(), states.end(), state) >= count) break;
    }
    log_->Unsubscribe(key, subscription);
    return Get(id);
  }

  TemporaryFolder path_;
  FakeLauncher launcher_;
  JobManager::Options options_{
      .capacity = {.threads = 2, .memory_bytes = 1 << 20}, .max_restarts = 2, .retry_interval = absl::Milliseconds(1)};
  int64_t max_store_bytes_ = 0;
  std::unique_ptr<DataFolder> folder_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<EventLog> log_;
  std::unique_ptr<JobManager> manager_;
};

TEST_F(JobManagerTest, RunsAJobToItsEnd) {
  Create("a");
  auto worker = launcher_.Await(1);
  EXPECT_EQ(worker->task.train().job(), "jobs/a");
  EXPECT_EQ(worker->task.threads(), 2u);
  EXPECT_EQ(worker->task.dataset_dir(), folder_->Item("datasets", "digits"));
  ASSERT_TRUE(worker->Send({Train(10, 0.5), Checkpoint(10)}).ok());
  worker->callbacks.on_heartbeat(17);
  v1::Job running = Get("a");
  EXPECT_EQ(running.state(), v1::RUNNING);
  EXPECT_EQ(running.progress().step(), 17u);
  EXPECT_EQ(running.progress().loss(), 0.5);
  EXPECT_EQ(running.progress().checkpoint_step(), 10u);
  worker->End(Kind::kFinished);
  v1::Job done = AwaitState("a", v1::SUCCEEDED);
  EXPECT_EQ(done.attempts(), 1u);
  EXPECT_TRUE(done.has_start_time());
  EXPECT_TRUE(done.has_end_time());
  const auto events = Events("a");
  ASSERT_EQ(events.size(), 5u);
  for (size_t i = 0; i < events.size(); ++i) EXPECT_EQ(events[i].sequence(), static_cast<int64_t>(i) + 1);
  EXPECT_EQ(done.last_sequence(), 5);
  EXPECT_THAT(States("a"), ElementsAre(v1::QUEUED, v1::RUNNING, v1::SUCCEEDED));
}

TEST_F(JobManagerTest, FailsWithTheTasksOwnError) {
  Create("a");
  WorkerExit exit;
  exit.kind = Kind::kTaskFailed;
  exit.status = absl::AbortedError("the loss is not finite at step 3");
  exit.last_log_lines = {"one", "two"};
  launcher_.Await(1)->End(exit);
  v1::Job job = AwaitState("a", v1::FAILED);
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
  v1::Job job = AwaitState("a", v1::FAILED);
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
    if (event.has_state() && event.state().state() == v1::QUEUED && event.state().attempt() == 1) {
      reason = event.state().reason();
    }
  }
  EXPECT_THAT(steps, ElementsAre(10, 20, 30));
  EXPECT_EQ(reason, "worker 1 of at most 3 was killed by signal 9 (SIGKILL); going on from step 10");
}

TEST_F(JobManagerTest, CountsWorkersThatCannotBeStarted) {
  launcher_.Fail(absl::NotFoundError("no traind-worker"));
  Create("a");
  EXPECT_THAT(AwaitState("a", v1::FAILED).error().message(), HasSubstr("no traind-worker"));
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
  event.mutable_state()->set_state(v1::SUCCEEDED);
  EXPECT_TRUE(absl::IsInvalidArgument(launcher_.Await(1)->Send({event})));
  EXPECT_TRUE(absl::IsInvalidArgument(launcher_.Await(1)->Send({v1::Event()})));
}

TEST_F(JobManagerTest, CancelsAQueuedJobAtOnce) {
  Create("a");
  launcher_.Await(1);
  Create("b");
  auto cancelled = manager_->Cancel("b");
  ASSERT_TRUE(cancelled.ok()) << cancelled.status();
  EXPECT_EQ(cancelled->state(), v1::CANCELLED);
  EXPECT_EQ(manager_->Cancel("b")->state(), v1::CANCELLED) << "again is no error";
  EXPECT_THAT(States("b"), ElementsAre(v1::QUEUED, v1::CANCELLED));
}

TEST_F(JobManagerTest, CancelsARunningJobThroughCancelling) {
  Create("a");
  auto worker = launcher_.Await(1);
  EXPECT_EQ(manager_->Cancel("a")->state(), v1::CANCELLING);
  EXPECT_EQ(worker->AwaitStop(), internal::Stop::CANCEL);
  EXPECT_EQ(manager_->Cancel("a")->state(), v1::CANCELLING) << "again is no error";
  ASSERT_TRUE(worker->Send({Checkpoint(7)}).ok());
  worker->End(Kind::kStopped);
  EXPECT_EQ(AwaitState("a", v1::CANCELLED).progress().checkpoint_step(), 7u);
}

TEST_F(JobManagerTest, ACancelThatComesTooLateLeavesTheJobAsItEnded) {
  const std::pair<Kind, v1::JobState> ends[] = {
      {Kind::kFinished, v1::SUCCEEDED}, {Kind::kTaskFailed, v1::FAILED}, {Kind::kCrashed, v1::CANCELLED}};
  size_t n = 0;
  for (const auto& [kind, state] : ends) {
    const std::string id = "job-" + std::to_string(++n);
    Create(id);
    auto worker = launcher_.Await(n);
    ASSERT_TRUE(manager_->Cancel(id).ok());
    worker->End(kind);
    AwaitState(id, state);
    EXPECT_EQ(manager_->Cancel(id).ok(), state == v1::CANCELLED);
    if (state != v1::CANCELLED) {
      EXPECT_TRUE(absl::IsFailedPrecondition(manager_->Cancel(id).status()));
    }
  }
  EXPECT_EQ(launcher_.started(), n) << "none was restarted";
  EXPECT_TRUE(absl::IsNotFound(manager_->Cancel("none").status()));
}

TEST_F(JobManagerTest, StartsTheNextJobWhenThreadsAreFree) {
  Create("a");
  launcher_.Await(1);
  Create("b", 1);
  Create("c", 1);
  EXPECT_EQ(Get("b").state(), v1::QUEUED);
  launcher_.Await(1)->End(Kind::kFinished);
  EXPECT_EQ(launcher_.Await(2)->task.train().job(), "jobs/b");
  EXPECT_EQ(launcher_.Await(3)->task.train().job(), "jobs/c");
}

TEST_F(JobManagerTest, RefusesWhatCannotBeCreated) {
  Create("a");
  EXPECT_TRUE(absl::IsAlreadyExists(manager_->Create(NewJob("a")).status()));
  EXPECT_TRUE(absl::IsResourceExhausted(manager_->Create(NewJob("b", 3)).status()));
  JobManager::NewJob lost = NewJob("b");
  lost.job.mutable_resolved_spec()->mutable_data()->set_dataset("datasets/gone");
  EXPECT_TRUE(absl::IsInvalidArgument(manager_->Create(lost).status()));
  EXPECT_TRUE(absl::IsNotFound(manager_->Get("b").status()));
}

TEST_F(JobManagerTest, AnswersARepeatedRequestWithTheFirstJob) {
  JobManager::NewJob request = NewJob("");
  request.job.set_request_id("r");
  auto first = manager_->Create(request);
  ASSERT_TRUE(first.ok());
  EXPECT_THAT(first->name(), ::testing::StartsWith("jobs/job-"));
  request.job.set_name("jobs/other");
  auto second = manager_->Create(request);
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(second->name(), first->name());
  request.job.mutable_spec()->set_seed(2);
  const absl::Status other = manager_->Create(request).status();
  EXPECT_TRUE(absl::IsInvalidArgument(other)) << "another spec is another request";
  EXPECT_THAT(std::string(other.message()), HasSubstr(first->name()));
}

TEST_F(JobManagerTest, ANewJobFindsNoFilesOfAnEarlierOne) {
  // A job was deleted, but its files could not be.
  std::filesystem::create_directories(folder_->CheckpointDir("a") + "/7");
  Create("a");
  EXPECT_FALSE(std::filesystem::exists(folder_->CheckpointDir("a")));
}

TEST_F(JobManagerTest, ACreationThatFailsLeavesTheWeightsOfItsNamesakeAlone) {
  std::vector<std::string> weights;
  for (const char* content : {"first", "second"}) {
    weights.push_back(path_.path() + "/" + content);
    std::ofstream(weights.back()) << content;
  }
  // Two calls at once for one id, a few times: whose job it is, his are the weights.
  for (const char* id : {"a", "b", "c", "d"}) {
    std::vector<absl::Status> created(2);
    std::vector<std::thread> calls;
    for (size_t i = 0; i < created.size(); ++i) {
      calls.emplace_back([&, i] {
        JobManager::NewJob request = NewJob(id);
        request.weights_file = weights[i];
        created[i] = manager_->Create(std::move(request)).status();
      });
    }
    for (std::thread& call : calls) call.join();
    ASSERT_NE(created[0].ok(), created[1].ok());
    std::string kept;
    std::ifstream(folder_->InitialWeights(id)) >> kept;
    EXPECT_EQ(kept, created[0].ok() ? "first" : "second");
  }
}

TEST_F(JobManagerTest, ABoundedPageHasAsManyJobsAsFit) {
  for (const char* id : {"a", "b", "c"}) {
    JobManager::NewJob request = NewJob(id);
    request.job.mutable_spec()->set_display_name(std::string(size_t{2} << 20, 'x'));
    ASSERT_TRUE(manager_->Create(std::move(request)).ok());
  }
  std::vector<std::string> names;
  v1::ListJobsRequest request;
  do {
    auto page = manager_->List(request);
    ASSERT_TRUE(page.ok()) << page.status();
    EXPECT_LT(page->ByteSizeLong(), size_t{4} << 20);
    for (const v1::Job& job : page->jobs()) names.push_back(job.name());
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  EXPECT_THAT(names, ElementsAre("jobs/c", "jobs/b", "jobs/a"));
}

TEST_F(JobManagerTest, DeletesRowsAndFilesOfATerminalJobOnly) {
  Create("a");
  auto worker = launcher_.Await(1);
  EXPECT_TRUE(absl::IsFailedPrecondition(manager_->Delete("a")));
  std::filesystem::create_directories(folder_->CheckpointDir("a"));
  worker->End(Kind::kFinished);
  AwaitState("a", v1::SUCCEEDED);
  ASSERT_TRUE(manager_->Delete("a").ok());
  EXPECT_FALSE(folder_->Exists("jobs", "a"));
  EXPECT_TRUE(absl::IsNotFound(manager_->Delete("a")));
  EXPECT_EQ(Create("a").last_sequence(), 1) << "the id is free again";
}

TEST_F(JobManagerTest, KeepsADatasetThatAJobNeeds) {
  Create("a");
  auto worker = launcher_.Await(1);
  bool removed = false;
  const auto remove = [&] {
    removed = true;
    return absl::OkStatus();
  };
  EXPECT_TRUE(absl::IsFailedPrecondition(manager_->RemoveDataset("datasets/digits", remove)));
  EXPECT_FALSE(removed);
  worker->End(Kind::kFinished);
  AwaitState("a", v1::SUCCEEDED);
  EXPECT_TRUE(manager_->RemoveDataset("datasets/digits", remove).ok());
  EXPECT_TRUE(removed);
}

TEST_F(JobManagerTest, PinsInitialWeights) {
  const std::string weights = path_.path() + "/weights";
  std::ofstream(weights) << "w";
  JobManager::NewJob request = NewJob("a");
  request.weights_file = weights;
  request.job.mutable_resolved_spec()->mutable_initial_weights()->set_model("models/m");
  ASSERT_TRUE(manager_->Create(request).ok());
  std::filesystem::remove(weights);
  EXPECT_TRUE(std::filesystem::exists(launcher_.Await(1)->task.weights_path()));
}

TEST_F(JobManagerTest, PagesThroughJobsAndChecksTokens) {
  for (const char* id : {"a", "b", "c"}) Create(id);
  v1::ListJobsRequest request;
  request.set_page_size(2);
  auto first = manager_->List(request);
  ASSERT_TRUE(first.ok());
  ASSERT_EQ(first->jobs_size(), 2);
  EXPECT_EQ(first->jobs(0).name(), "jobs/c");
  EXPECT_FALSE(first->jobs(0).has_resolved_spec());
  request.set_page_token(first->next_page_token());
  auto second = manager_->List(request);
  ASSERT_TRUE(second.ok());
  ASSERT_EQ(second->jobs_size(), 1);
  EXPECT_EQ(second->jobs(0).name(), "jobs/a");
  EXPECT_EQ(second->next_page_token(), "");
  request.add_states(v1::FAILED);
  EXPECT_TRUE(absl::IsInvalidArgument(manager_->List(request).status())) << "another filter";
  for (const char* token : {"x", "-", "0-0", "1-", "ffffffffffffffffff-0", "-1-0"}) {
    request.clear_states();
    request.set_page_token(token);
    EXPECT_TRUE(absl::IsInvalidArgument(manager_->List(request).status())) << token;
  }
  request.clear_page_token();
  request.set_page_size(-1);
  EXPECT_TRUE(absl::IsInvalidArgument(manager_->List(request).status()));
}

TEST_F(JobManagerTest, GoesOnAfterTheServerWasKilled) {
  Create("running");
  ASSERT_TRUE(launcher_.Await(1)->Send({Train(10, 0.5), Checkpoint(10)}).ok());
  Create("queued");
  Stop();  // The workers die with the server.
  Start();
  v1::Job job = AwaitState("running", v1::RUNNING, 2);
  EXPECT_EQ(job.attempts(), 2u);
  EXPECT_EQ(job.restarts(), 0u) << "a restart of the server is none of the worker";
  EXPECT_EQ(Get("queued").state(), v1::QUEUED);
  EXPECT_THAT(States("running"), ElementsAre(v1::QUEUED, v1::RUNNING, v1::QUEUED, v1::RUNNING));
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
  EXPECT_EQ(Get("a").state(), v1::CANCELLED);
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
  EXPECT_EQ(a->AwaitStop(), internal::Stop::SHUTDOWN);
  EXPECT_EQ(b->AwaitStop(), internal::Stop::CANCEL);
  EXPECT_TRUE(absl::IsUnavailable(manager_->Create(NewJob("c")).status()));
  a->End(Kind::kStopped);
  b->End(Kind::kStopped);
  shutdown.join();
  EXPECT_EQ(Get("a").state(), v1::QUEUED);
  EXPECT_EQ(Get("a").restarts(), 0u);
  EXPECT_EQ(Get("b").state(), v1::CANCELLED);
  EXPECT_EQ(launcher_.started(), 2u);
}

TEST_F(JobManagerTest, ShutdownKillsWhoDoesNotEnd) {
  Create("a");
  launcher_.Await(1);
  manager_->Shutdown(absl::ZeroDuration());
  EXPECT_TRUE(HasWorker(Get("a").state()) || Get("a").state() == v1::QUEUED);
  Stop();
  Start();
  EXPECT_EQ(AwaitState("a", v1::RUNNING).restarts(), 0u);
}

// The store with a bound stands for a disk that is full, and without one for a disk that has room again.
TEST_F(JobManagerTest, AFullDiskIsAnErrorForTheCallerAndTheServerLives) {
  Stop();
  max_store_bytes_ = 128 << 10;
  Start();
  JobManager::NewJob request = NewJob("big");
  request.job.mutable_spec()->set_display_name(std::string(256 << 10, 'x'));
  EXPECT_TRUE(absl::IsResourceExhausted(manager_->Create(request).status()));
  EXPECT_TRUE(absl::IsNotFound(manager_->Get("big").status()));
  EXPECT_EQ(Create("small").state(), v1::QUEUED);
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
