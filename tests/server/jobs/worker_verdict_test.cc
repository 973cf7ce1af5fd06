#include "server/jobs/worker_verdict.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace traind::server {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Kind = WorkerExit::Kind;

constexpr uint32_t kMaxRestarts = 2;
constexpr bool kServing = false;
constexpr bool kShuttingDown = true;

// The job's third attempt. Its last checkpoint is of step 40.
v1::Job JobIn(v1::JobState state) {
  v1::Job job;
  job.set_state(state);
  job.set_attempts(3);
  job.mutable_progress()->set_step(55);
  job.mutable_progress()->set_checkpoint_step(40);
  job.mutable_progress()->set_total_steps(100);
  if (state == v1::JOB_STATE_STOPPING) job.set_stop_reason("stopped by a client");
  return job;
}

WorkerExit Exit(Kind kind, std::string description = "", absl::Status status = absl::OkStatus()) {
  WorkerExit exit;
  exit.kind = kind;
  exit.description = std::move(description);
  exit.status = std::move(status);
  exit.last_log_lines = {"the last words"};
  return exit;
}

WorkerExit Finished(uint64_t step, std::string reason = "") {
  WorkerExit exit = Exit(Kind::kFinished);
  exit.result.set_step(step);
  exit.result.set_reason(std::move(reason));
  return exit;
}

struct Case {
  v1::JobState state;
  uint32_t fruitless;
  WorkerExit exit;
  bool shutting_down;
  v1::JobState to;
  const char* reason;
  bool restart = false;
  bool counts = false;
};

TEST(WorkerVerdict, OfEveryEnd) {
  const absl::Status error = absl::AbortedError("the loss is not finite");
  const absl::Status refused = absl::InvalidArgumentError("a state");
  const Case cases[] = {
      // The task's own end counts, whatever was asked of it meanwhile.
      {v1::JOB_STATE_RUNNING, 1, Exit(Kind::kFinished), kServing, v1::JOB_STATE_SUCCEEDED, ""},
      {v1::JOB_STATE_CANCELLING, 1, Exit(Kind::kFinished), kShuttingDown, v1::JOB_STATE_SUCCEEDED, ""},
      {v1::JOB_STATE_RUNNING, 1, Exit(Kind::kTaskFailed, "exit code 0", error), kServing, v1::JOB_STATE_FAILED,
       "the loss is not finite"},
      {v1::JOB_STATE_CANCELLING, 1, Exit(Kind::kTaskFailed, "exit code 0", error), kShuttingDown, v1::JOB_STATE_FAILED,
       "the loss is not finite"},
      // A job that was being cancelled is cancelled however its worker ends.
      {v1::JOB_STATE_CANCELLING, 1, Exit(Kind::kStopped), kServing, v1::JOB_STATE_CANCELLED, ""},
      {v1::JOB_STATE_CANCELLING, 1, Exit(Kind::kCrashed, "exit code 3"), kServing, v1::JOB_STATE_CANCELLED,
       "the worker ended while it was stopping: exit code 3"},
      {v1::JOB_STATE_CANCELLING, 2, Exit(Kind::kHung, "killed by signal 9 (SIGKILL)"), kShuttingDown,
       v1::JOB_STATE_CANCELLED, "the worker ended while it was stopping: killed by signal 9 (SIGKILL)"},
      // One that was being paused rests however its worker ends.
      {v1::JOB_STATE_PAUSING, 1, Exit(Kind::kStopped), kServing, v1::JOB_STATE_PAUSED, "a resume goes on from step 40"},
      {v1::JOB_STATE_PAUSING, 2, Exit(Kind::kCrashed, "exit code 3"), kShuttingDown, v1::JOB_STATE_PAUSED,
       "the worker ended while it was stopping: exit code 3; a resume goes on from step 40"},
      {v1::JOB_STATE_PAUSING, 1, Exit(Kind::kFinished), kServing, v1::JOB_STATE_SUCCEEDED, ""},
      {v1::JOB_STATE_PAUSING, 1, Exit(Kind::kTaskFailed, "exit code 0", error), kServing, v1::JOB_STATE_FAILED,
       "the loss is not finite"},
      // One that is to end early does so, if need be with another worker.
      {v1::JOB_STATE_STOPPING, 1, Exit(Kind::kFinished), kServing, v1::JOB_STATE_SUCCEEDED, "stopped by a client"},
      {v1::JOB_STATE_STOPPING, 1, Finished(60, "after step 60 of 100"), kServing, v1::JOB_STATE_SUCCEEDED,
       "stopped by a client; after step 60 of 100"},
      {v1::JOB_STATE_STOPPING, 1, Finished(100), kServing, v1::JOB_STATE_SUCCEEDED, ""},
      {v1::JOB_STATE_RUNNING, 1, Finished(60, "no better for 3 evaluations"), kServing, v1::JOB_STATE_SUCCEEDED,
       "no better for 3 evaluations"},
      {v1::JOB_STATE_STOPPING, 1, Exit(Kind::kStopped), kShuttingDown, v1::JOB_STATE_QUEUED,
       "the server is shutting down"},
      {v1::JOB_STATE_STOPPING, 1, Exit(Kind::kCrashed, "exit code 3"), kServing, v1::JOB_STATE_QUEUED,
       "worker 3 of at most 4: exit code 3; going on from step 40, to end early: stopped by a client", true, true},
      {v1::JOB_STATE_STOPPING, 2, Exit(Kind::kCrashed, "exit code 3"), kServing, v1::JOB_STATE_FAILED,
       "worker 3 of at most 3: exit code 3; it was restarted 2 times and got no further than step 55"},
      {v1::JOB_STATE_STOPPING, 1, Exit(Kind::kTaskFailed, "exit code 0", error), kServing, v1::JOB_STATE_FAILED,
       "the loss is not finite"},
      // The end of the server is no fault of the worker.
      {v1::JOB_STATE_RUNNING, 1, Exit(Kind::kStopped), kServing, v1::JOB_STATE_QUEUED, "the server is shutting down"},
      {v1::JOB_STATE_RUNNING, 2, Exit(Kind::kCrashed, "exit code 3"), kShuttingDown, v1::JOB_STATE_QUEUED,
       "the server is shutting down"},
      // A worker that failed is started again, as long as it may be.
      {v1::JOB_STATE_RUNNING, 1, Exit(Kind::kCrashed, "exit code 3"), kServing, v1::JOB_STATE_QUEUED,
       "worker 3 of at most 4: exit code 3; going on from step 40", true, true},
      {v1::JOB_STATE_RUNNING, 0, Exit(Kind::kCrashed, "killed by signal 9 (SIGKILL)"), kServing, v1::JOB_STATE_QUEUED,
       "worker 3 of at most 5 was killed by signal 9 (SIGKILL); going on from step 40", true, true},
      {v1::JOB_STATE_RUNNING, 1, Exit(Kind::kHung, "killed by signal 9 (SIGKILL)"), kServing, v1::JOB_STATE_QUEUED,
       "worker 3 of at most 4: gave no sign of life and was killed; going on from step 40", true, true},
      {v1::JOB_STATE_RUNNING, 1, Exit(Kind::kRejected, "killed by signal 9 (SIGKILL)", refused), kServing,
       v1::JOB_STATE_QUEUED, "worker 3 of at most 4: sent an event that was refused: a state; going on from step 40",
       true, true},
      {v1::JOB_STATE_RUNNING, 2, Exit(Kind::kCrashed, "exit code 3"), kServing, v1::JOB_STATE_FAILED,
       "worker 3 of at most 3: exit code 3; it was restarted 2 times and got no further than step 55"},
  };
  for (const Case& c : cases) {
    const WorkerVerdict verdict = JudgeExit(JobIn(c.state), c.exit, c.shutting_down, kMaxRestarts, c.fruitless);
    SCOPED_TRACE(c.reason);
    EXPECT_EQ(verdict.state, c.to);
    EXPECT_EQ(verdict.reason, c.reason);
    EXPECT_EQ(verdict.restart, c.restart);
    EXPECT_EQ(verdict.counts, c.counts);
    EXPECT_EQ(verdict.error.message(), c.to == v1::JOB_STATE_FAILED ? c.reason : "");
  }
}

TEST(WorkerVerdict, AFailureExplainsItself) {
  const WorkerVerdict task = JudgeExit(
      JobIn(v1::JOB_STATE_RUNNING), Exit(Kind::kTaskFailed, "", absl::AbortedError("no")), kServing, kMaxRestarts, 0);
  EXPECT_EQ(task.error.code(), static_cast<int>(absl::StatusCode::kAborted));
  EXPECT_THAT(task.error.last_log_lines(), ElementsAre("the last words"));
  const WorkerVerdict crash = JudgeExit(JobIn(v1::JOB_STATE_RUNNING), Exit(Kind::kCrashed), kServing, kMaxRestarts, 2);
  EXPECT_EQ(crash.error.code(), static_cast<int>(absl::StatusCode::kInternal));
  EXPECT_THAT(crash.error.last_log_lines(), ElementsAre("the last words"));
  const WorkerVerdict restart =
      JudgeExit(JobIn(v1::JOB_STATE_RUNNING), Exit(Kind::kCrashed), kServing, kMaxRestarts, 1);
  EXPECT_THAT(restart.error.last_log_lines(), IsEmpty());
}

// What the machine lacks, or a worker that never had its task, is no fault of the job, however often it happens.
TEST(WorkerVerdict, TheMachinesFaultsNeverCount) {
  const auto judge = [](v1::JobState state, WorkerExit exit) {
    exit.of_machine = true;
    return JudgeExit(JobIn(state), exit, kServing, kMaxRestarts, kMaxRestarts);
  };
  const absl::Status full = absl::ResourceExhaustedError("No space left on device");
  const struct {
    WorkerExit exit;
    const char* reason;
  } cases[] = {
      {Exit(Kind::kTaskFailed, "exit code 0", full), "worker 3: No space left on device"},
      {Exit(Kind::kCrashed, "could not be started: Too many open files"),
       "worker 3: could not be started: Too many open files"},
      {Exit(Kind::kCrashed, "killed by signal 9 (SIGKILL)"), "worker 3 was killed by signal 9 (SIGKILL)"},
      {Exit(Kind::kHung), "worker 3: gave no sign of life and was killed"},
  };
  for (const auto& c : cases) {
    const WorkerVerdict verdict = judge(v1::JOB_STATE_RUNNING, c.exit);
    EXPECT_EQ(verdict.state, v1::JOB_STATE_QUEUED);
    EXPECT_TRUE(verdict.restart);
    EXPECT_FALSE(verdict.counts);
    EXPECT_EQ(verdict.reason,
              std::string(c.reason) + "; that is the server's doing and does not count; going on from step 40");
  }
  const WorkerVerdict cancelled = judge(v1::JOB_STATE_CANCELLING, cases[0].exit);
  EXPECT_EQ(cancelled.state, v1::JOB_STATE_CANCELLED);
  EXPECT_EQ(cancelled.reason, "it could not end well: No space left on device");
  EXPECT_EQ(judge(v1::JOB_STATE_PAUSING, cases[0].exit).state, v1::JOB_STATE_PAUSED);
}

// A full disk, which also takes the last events: the job is cancelled all the same.
TEST(WorkerVerdict, AWorkerWhoseEventsHaveNoRoomRestsAsAsked) {
  const WorkerVerdict verdict =
      JudgeExit(JobIn(v1::JOB_STATE_CANCELLING),
                Exit(Kind::kRejected, "killed by signal 9 (SIGKILL)", absl::ResourceExhaustedError("disk is full")),
                kServing, kMaxRestarts, 0);
  EXPECT_EQ(verdict.state, v1::JOB_STATE_CANCELLED);
  EXPECT_EQ(verdict.reason, "its last events are not stored: disk is full");
}

// A trial of a sweep comes to where it is held; a stop before that is the server's own.
TEST(WorkerVerdict, AJobThatCameToItsHoldIsPaused) {
  v1::Job job = JobIn(v1::JOB_STATE_RUNNING);
  job.set_pause_at_step(60);
  WorkerExit exit = Exit(Kind::kStopped);
  exit.result.set_step(60);
  for (const bool ending : {kServing, kShuttingDown}) {
    const WorkerVerdict verdict = JudgeExit(job, exit, ending, kMaxRestarts, 0);
    EXPECT_EQ(verdict.state, v1::JOB_STATE_PAUSED);
    EXPECT_EQ(verdict.reason, "has come to step 60, where its sweep holds it");
  }
  exit.result.set_step(59);
  EXPECT_EQ(JudgeExit(job, exit, kShuttingDown, kMaxRestarts, 0).state, v1::JOB_STATE_QUEUED);
  EXPECT_EQ(JudgeExit(job, Exit(Kind::kFinished), kServing, kMaxRestarts, 0).state, v1::JOB_STATE_SUCCEEDED);
}

}  // namespace
}  // namespace traind::server
