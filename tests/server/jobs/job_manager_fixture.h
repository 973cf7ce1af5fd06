// A job manager whose workers do what a test says, on a store in memory.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "server/jobs/job_manager.h"
#include "tests/server/fake_launcher.h"
#include "tests/support/memory_job_store.h"
#include "tests/support/temporary_folder.h"

namespace traind::server {

inline v1::Event Train(uint64_t step, double loss) {
  v1::Event event;
  event.set_step(step);
  event.mutable_train()->set_loss(loss);
  return event;
}

inline v1::Event Checkpoint(uint64_t step) {
  v1::Event event;
  event.set_step(step);
  event.mutable_checkpoint()->set_name("checkpoint");
  return event;
}

class JobManagerTest : public ::testing::Test {
 protected:
  using Kind = WorkerExit::Kind;

  JobManagerTest() { Start(); }
  ~JobManagerTest() override { Stop(); }

  // A server's life: Stop is what SIGKILL leaves behind once the process is gone. The store outlives it.
  void Start() {
    folder_ = *DataFolder::Open(path_.path());
    std::filesystem::create_directories(folder_->Item("datasets", "digits"));
    log_ = std::make_unique<EventLog>(store_.get());
    budget_ = std::make_unique<Budget>(capacity_);
    auto manager = JobManager::Start(options_, store_.get(), log_.get(), folder_.get(), &launcher_, budget_.get());
    ASSERT_TRUE(manager.ok()) << manager.status();
    manager_ = *std::move(manager);
  }
  void Stop() {
    manager_.reset();
    log_.reset();
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
  // What a request comes to for which this job is admitted.
  absl::StatusOr<v1::Job> Submit(const JobManager::NewJob& admitted, bool validate_only = false) {
    v1::CreateJobRequest request;
    request.set_request_id(admitted.job.request_id());
    *request.mutable_spec() = admitted.job.spec();
    request.set_validate_only(validate_only);
    return manager_->Create(request, [&](const v1::CreateJobRequest&) { return admitted; });
  }
  v1::Job Create(const std::string& id, uint32_t threads = 2) {
    auto job = Submit(NewJob(id, threads));
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
  Capacity capacity_{.threads = 2, .memory_bytes = 1 << 20};
  JobManager::Options options_{.max_restarts = 2,
                               .retry_interval = absl::Milliseconds(1),
                               .first_wait = absl::Milliseconds(1),
                               .longest_wait = absl::Milliseconds(2)};
  std::unique_ptr<DataFolder> folder_;
  std::unique_ptr<JobStore> store_ = std::make_unique<MemoryJobStore>();
  std::unique_ptr<EventLog> log_;
  std::unique_ptr<Budget> budget_;
  std::unique_ptr<JobManager> manager_;
};

}  // namespace traind::server
