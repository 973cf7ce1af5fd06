#include "server/jobs/worker_verdict.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/jobs/progress.h"

namespace traind::server {
namespace {

using Kind = WorkerExit::Kind;

WorkerVerdict Failed(absl::StatusCode code, std::string message, const WorkerExit& exit) {
  WorkerVerdict verdict{.state = v1::JOB_STATE_FAILED, .reason = message};
  verdict.error.set_code(static_cast<int>(code));
  verdict.error.set_message(std::move(message));
  for (const std::string& line : exit.last_log_lines) verdict.error.add_last_log_lines(line);
  return verdict;
}

// "worker 2 of at most 4 was killed by signal 9 (SIGKILL)"
std::string HowItFailed(const std::string& worker, const WorkerExit& exit) {
  const std::string what = exit.kind == Kind::kHung         ? "gave no sign of life and was killed"
                           : exit.kind == Kind::kTaskFailed ? std::string(exit.status.message())
                           : exit.kind == Kind::kRejected
                               ? absl::StrCat("sent an event that was refused: ", exit.status.message())
                               : exit.description;
  return absl::StrCat(worker, absl::StartsWith(what, "killed") ? " was " : ": ", what);
}

// Why a job SUCCEEDED before its last step; empty: it did not.
std::string WhyEarly(const v1::Job& job, const WorkerExit& exit) {
  const std::string& of_worker = exit.result.reason();
  if (job.stop_reason().empty() || exit.result.step() >= job.progress().total_steps()) return of_worker;
  return absl::StrCat(job.stop_reason(), of_worker.empty() ? "" : "; ", of_worker);
}

// A worker that was to leave a checkpoint and end, so that the job rests in `state`, however it ended.
WorkerVerdict AtRest(v1::JobState state, const WorkerExit& exit) {
  if (exit.kind == Kind::kStopped) return {.state = state};
  if (exit.kind == Kind::kRejected) {
    return {.state = state, .reason = absl::StrCat("its last events are not stored: ", exit.status.message())};
  }
  if (exit.kind == Kind::kTaskFailed) {
    return {.state = state, .reason = absl::StrCat("it could not end well: ", exit.status.message())};
  }
  return {.state = state, .reason = absl::StrCat("the worker ended while it was stopping: ", exit.description)};
}

}  // namespace

WorkerVerdict JudgeExit(const v1::Job& job, const WorkerExit& exit, bool shutting_down, uint32_t max_restarts,
                        uint32_t fruitless) {
  if (exit.kind == Kind::kFinished) return {.state = v1::JOB_STATE_SUCCEEDED, .reason = WhyEarly(job, exit)};
  if (exit.kind == Kind::kTaskFailed && !exit.of_machine)
    return Failed(exit.status.code(), std::string(exit.status.message()), exit);
  if (job.state() == v1::JOB_STATE_CANCELLING) return AtRest(v1::JOB_STATE_CANCELLED, exit);
  if (job.state() == v1::JOB_STATE_PAUSING) {
    WorkerVerdict verdict = AtRest(v1::JOB_STATE_PAUSED, exit);
    if (!job.stop_reason().empty())
      absl::StrAppend(&verdict.reason, verdict.reason.empty() ? "" : "; ", job.stop_reason());
    absl::StrAppend(&verdict.reason, verdict.reason.empty() ? "" : "; ", WouldGoOn(job));
    return verdict;
  }
  if (exit.kind == Kind::kStopped && job.pause_at_step() > 0 && exit.result.step() >= job.pause_at_step()) {
    return {.state = v1::JOB_STATE_PAUSED,
            .reason = absl::StrCat("has come to step ", exit.result.step(), ", where its sweep holds it")};
  }
  if (exit.kind == Kind::kStopped || shutting_down) {
    return {.state = v1::JOB_STATE_QUEUED, .reason = "the server is shutting down"};
  }
  const std::string worker = absl::StrCat("worker ", job.attempts());
  if (exit.of_machine) {
    return {.state = v1::JOB_STATE_QUEUED,
            .reason = absl::StrCat(HowItFailed(worker, exit), "; that is the server's doing and does not count; ",
                                   GoingOn(job)),
            .restart = true};
  }
  const uint32_t most = job.attempts() + max_restarts - std::min(fruitless, max_restarts);
  const std::string how = HowItFailed(absl::StrCat(worker, " of at most ", most), exit);
  if (fruitless < max_restarts) {
    return {.state = v1::JOB_STATE_QUEUED,
            .reason = absl::StrCat(how, "; ", GoingOn(job)),
            .restart = true,
            .counts = true};
  }
  return Failed(
      absl::StatusCode::kInternal,
      absl::StrCat(how, "; it was restarted ", fruitless, " times",
                   fruitless == 0 ? "" : absl::StrCat(" and got no further than step ", job.progress().step())),
      exit);
}

}  // namespace traind::server
