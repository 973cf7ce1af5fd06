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
    if (running_ >= limit_) {
      return absl::ResourceExhaustedError(absl::StrCat(
          "the server runs ", limit_, " probes, evaluations and predictions at a time (--max-evaluations); try again"));
    }
    ++running_;
  }
  const absl::Cleanup done = [this] {
    absl::MutexLock lock(&mu_);
    --running_;
  };

  WorkerExit exit;
  absl::Notification ended;
  WorkerCallbacks callbacks;
  callbacks.on_events = [](const std::vector<v1::Event>&) { return absl::OkStatus(); };
  callbacks.on_exit = [&](const WorkerExit& how) {
    exit = how;
    ended.Notify();
  };
  auto worker = launcher_->Start(memory_bytes, std::move(task), std::move(callbacks));
  if (!worker.ok()) return worker.status();
  call.cancellation().OnCancel([&] { (*worker)->Kill(); });
  if (!ended.WaitForNotificationWithDeadline(call.deadline())) (*worker)->Kill();
  ended.WaitForNotification();
  call.cancellation().OnCancel(nullptr);
  switch (exit.kind) {
    case WorkerExit::Kind::kFinished:
      return std::move(exit.result);
    case WorkerExit::Kind::kTaskFailed:
      return exit.status;
    default:
      if (absl::Status status = call.Check(); !status.ok()) return status;
      return absl::UnavailableError(absl::StrCat(
          "the worker process ended: ", exit.description,
          exit.last_log_lines.empty() ? "" : "; its last words: ", absl::StrJoin(exit.last_log_lines, "\n")));
  }
}

}  // namespace traind::server
