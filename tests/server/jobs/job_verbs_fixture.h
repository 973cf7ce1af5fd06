// Jobs brought into each of their states, for tests of what people ask of them.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "core/base/file.h"
#include "server/resources/job_state.h"
#include "tests/server/jobs/job_manager_fixture.h"

namespace traind::server {

class JobVerbsTest : public JobManagerTest {
 protected:
  // The job without what the scheduler sees at the moment.
  std::string Record(const std::string& id) {
    v1::Job job = Get(id);
    job.clear_queue();
    return job.SerializeAsString();
  }
  ~JobVerbsTest() override { core::SetFileFaultForTest(nullptr); }

  // A new server with the job "a" in a state, with a checkpoint of step 10.
  void StartWith(v1::JobState state) {
    Stop();
    store_ = std::make_unique<MemoryJobStore>();
    const size_t before = launcher_.started();
    Start();
    Create("a");
    worker_ = launcher_.Await(before + 1);
    ASSERT_TRUE(Save(folder_->CheckpointDir("a"), 10).ok());
    ASSERT_TRUE(worker_->Send({Checkpoint(10)}).ok());
    switch (state) {
      case v1::JOB_STATE_QUEUED:
        ASSERT_TRUE(manager_->Pause("a").ok());
        End(WorkerExit::Kind::kStopped, v1::JOB_STATE_PAUSED);
        Create("blocker");  // Has all threads.
        launcher_.Await(before + 2);
        ASSERT_TRUE(manager_->Resume("a").ok());
        break;
      case v1::JOB_STATE_PAUSING:
        ASSERT_TRUE(manager_->Pause("a").ok());
        break;
      case v1::JOB_STATE_PAUSED:
        ASSERT_TRUE(manager_->Pause("a").ok());
        End(WorkerExit::Kind::kStopped, state);
        break;
      case v1::JOB_STATE_STOPPING:
        ASSERT_TRUE(manager_->Stop("a").ok());
        break;
      case v1::JOB_STATE_CANCELLING:
        ASSERT_TRUE(manager_->Cancel("a").ok());
        break;
      case v1::JOB_STATE_CANCELLED:
        ASSERT_TRUE(manager_->Cancel("a").ok());
        End(WorkerExit::Kind::kStopped, state);
        break;
      case v1::JOB_STATE_SUCCEEDED:
        End(WorkerExit::Kind::kFinished, state);
        break;
      case v1::JOB_STATE_FAILED:
        End(WorkerExit::Kind::kTaskFailed, state);
        break;
      default:
        break;
    }
    ASSERT_EQ(Get("a").state(), state);
  }
  void End(WorkerExit::Kind kind, v1::JobState state) {
    worker_->End(kind);
    AwaitState("a", state);
  }

  absl::StatusOr<v1::Job> Extend(const std::string& etag = "", bool validate_only = false) {
    v1::ExtendJobRequest request;
    request.set_etag(etag);
    request.set_validate_only(validate_only);
    return manager_->Extend("a", request, [](v1::Job job) -> absl::StatusOr<v1::Job> {
      job.mutable_spec()->set_steps(200);
      job.mutable_resolved_spec()->set_steps(200);
      job.mutable_progress()->set_total_steps(200);
      job.add_warnings("longer");
      return job;
    });
  }
  absl::StatusOr<v1::Job> Ask(JobVerb verb, const std::string& etag = "") {
    switch (verb) {
      case JobVerb::kCancel:
        return manager_->Cancel("a", etag);
      case JobVerb::kPause:
        return manager_->Pause("a", etag);
      case JobVerb::kResume:
        return manager_->Resume("a", etag);
      case JobVerb::kStop:
        return manager_->Stop("a", etag);
      case JobVerb::kExtend:
        return Extend(etag);
      case JobVerb::kDelete: {
        const absl::Status deleted = manager_->Delete("a", etag);
        return deleted.ok() ? absl::StatusOr<v1::Job>(v1::Job()) : deleted;
      }
    }
    return absl::InternalError("no such verb");
  }

  // A checkpoint without tensors.
  static absl::Status Save(const std::string& dir, uint64_t step) {
    core::CheckpointContent content;
    content.manifest.set_step(step);
    return core::SaveCheckpoint(dir, content, {});
  }
  absl::StatusOr<v1::Job> Fork(const std::string& id) {
    v1::ForkJobRequest request;
    request.set_job_id(id);
    return manager_->Fork(request, [&](const v1::ForkJobRequest&) -> absl::StatusOr<JobManager::NewJob> {
      JobManager::NewJob admitted = NewJob(id);
      auto checkpoint = core::FindCheckpoint(folder_->CheckpointDir("a"), "latest");
      if (!checkpoint.ok()) return checkpoint.status();
      admitted.checkpoints.push_back(*std::move(checkpoint));
      admitted.job.set_forked_from("jobs/a/checkpoints/10");
      admitted.job.mutable_progress()->set_step(10);
      admitted.job.mutable_progress()->set_checkpoint_step(10);
      return admitted;
    });
  }

  std::shared_ptr<FakeLauncher::Process> worker_;  // Of the job "a".
};

}  // namespace traind::server
