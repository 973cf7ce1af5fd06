#include "server/services/task_runner.h"

#include <memory>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/synchronization/notification.h"

namespace traind::server {

absl::StatusOr<internal::Result> TaskRunner::Run(int64_t memory_bytes, internal::Task task, CallContext& call) {
  {
    absl::MutexLock lock(&mu_);
    if (tasks_ >= limit_) {
      return absl::ResourceExhaustedError(absl::StrCat("the server has ", limit_,
                                                       " probes, predictions and previews that run or wait, as many as "
                                                       "it takes (--max-evaluations); try again"));
    }
    ++tasks_;
  }
  const absl::Cleanup done = [this] {
    absl::MutexLock lock(&mu_);
    --tasks_;
  };

  const auto lease = budget_->Ask({.threads = task.threads(), .memory_bytes = memory_bytes, .lane = lane_});
  call.cancellation().OnCancel([&] { lease->Cancel(); });
  auto threads = lease->Await(call.deadline());
  while (absl::IsDeadlineExceeded(threads.status()) && call.Check().ok()) threads = lease->Await(call.deadline());
  call.cancellation().OnCancel(nullptr);
  if (!threads.ok()) return call.Gone();
  task.set_threads(*threads);
  return RunWorker({.memory_bytes = budget_->LimitOf(memory_bytes), .background = true}, std::move(task), call);
}

absl::StatusOr<internal::Result> TaskRunner::RunWorker(const WorkerShare& share, internal::Task task,
                                                       CallContext& call) {
  WorkerExit exit;
  absl::Notification ended;
  WorkerCallbacks callbacks;
  callbacks.on_events = [](const std::vector<v1::Event>&) { return absl::OkStatus(); };
  callbacks.on_exit = [&](const WorkerExit& how) {
    exit = how;
    ended.Notify();
  };
  auto worker = launcher_->Start(share, std::move(task), std::move(callbacks));
  if (!worker.ok()) return worker.status();
  call.cancellation().OnCancel([&] { (*worker)->Kill(); });
  bool has_ended = ended.WaitForNotificationWithDeadline(call.deadline());
  while (!has_ended && call.Check().ok()) has_ended = ended.WaitForNotificationWithDeadline(call.deadline());
  if (!has_ended) (*worker)->Kill();
  ended.WaitForNotification();
  call.cancellation().OnCancel(nullptr);
  switch (exit.kind) {
    case WorkerExit::Kind::kFinished:
      return std::move(exit.result);
    case WorkerExit::Kind::kTaskFailed:
      return exit.status;
    default:
      if (absl::Status status = call.Check(); !status.ok()) return status;
      return absl::InternalError(absl::StrCat(
          "the worker process ended: ", exit.description,
          exit.last_log_lines.empty() ? "" : "; its last words: ", absl::StrJoin(exit.last_log_lines, "\n")));
  }
}

}  // namespace traind::server
