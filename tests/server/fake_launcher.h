// Workers that do what a test says. No process, no time: the test sends events and ends workers itself.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "server/wire/result.h"
#include "server/worker/data_tasks.h"
#include "server/workers/worker.h"

namespace traind::server {

class FakeLauncher : public Launcher {
 public:
  // What the test holds of a worker. Its callbacks stay good after the job manager has dropped the worker.
  struct Process {
    WorkerShare share;
    internal::Task task;
    WorkerCallbacks callbacks;
    absl::Mutex mu;
    bool ended ABSL_GUARDED_BY(mu) = false;
    bool killed ABSL_GUARDED_BY(mu) = false;
    internal::Stop::Reason stop ABSL_GUARDED_BY(mu) = internal::Stop::REASON_UNSPECIFIED;

    absl::Status Send(std::vector<v1::Event> events) { return callbacks.on_events(std::move(events)); }
    void End(WorkerExit exit) {
      {
        absl::MutexLock lock(&mu);
        if (std::exchange(ended, true)) return;
      }
      callbacks.on_exit(exit);
    }
    void End(WorkerExit::Kind kind, const std::string& description = "") {
      WorkerExit exit;
      exit.kind = kind;
      exit.description = description;
      if (kind == WorkerExit::Kind::kCrashed) exit.last_log_lines = {"the last words"};
      End(exit);
    }
    // Waits until the manager has asked the worker to stop.
    internal::Stop::Reason AwaitStop() {
      absl::MutexLock lock(&mu);
      const auto asked = [this]()
                             ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) { return stop != internal::Stop::REASON_UNSPECIFIED; };
      mu.Await(absl::Condition(&asked));
      return stop;
    }
    // What the manager has asked for last.
    internal::Stop::Reason Asked() {
      absl::MutexLock lock(&mu);
      return stop;
    }
  };

  absl::StatusOr<std::unique_ptr<Worker>> Start(const WorkerShare& share, internal::Task task,
                                                WorkerCallbacks callbacks) override {
    auto process = std::make_shared<Process>();
    process->share = share;
    process->task = std::move(task);
    process->callbacks = std::move(callbacks);
    if (RunsAtOnce(process->task)) {
      const auto no_progress = [](int64_t, int64_t) {};
      WorkerExit exit;
      exit.result =
          process->task.has_import() ? RunImport(process->task, no_progress) : RunDescribe(process->task, no_progress);
      exit.status = StatusOf(exit.result);
      exit.kind = exit.status.ok() ? WorkerExit::Kind::kFinished : WorkerExit::Kind::kTaskFailed;
      process->End(exit);
      return std::make_unique<Handle>(process);
    }
    absl::MutexLock lock(&mu_);
    if (!failure_.ok()) return failure_;
    started_.push_back(process);
    return std::make_unique<Handle>(process);
  }

  // Waits for the n-th worker that was started, counted from 1.
  std::shared_ptr<Process> Await(size_t n) {
    absl::MutexLock lock(&mu_);
    const auto there = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return started_.size() >= n; };
    mu_.Await(absl::Condition(&there));
    return started_[n - 1];
  }
  size_t started() {
    absl::MutexLock lock(&mu_);
    return started_.size();
  }
  // Imports and descriptions wait for the test, too, from now on.
  void HoldDataTasks() { hold_data_tasks_ = true; }
  // From now on workers cannot be started.
  void Fail(absl::Status status) {
    absl::MutexLock lock(&mu_);
    failure_ = std::move(status);
  }

 private:
  // What few tests are about is done on the spot, as a real worker does it.
  bool RunsAtOnce(const internal::Task& task) const {
    return !hold_data_tasks_ && (task.has_import() || task.has_describe());
  }

  class Handle : public Worker {
   public:
    explicit Handle(std::shared_ptr<Process> process) : process_(std::move(process)) {}
    ~Handle() override { process_->End(WorkerExit::Kind::kCrashed, "killed by signal 9 (SIGKILL)"); }
    void Stop(internal::Stop::Reason reason) override {
      absl::MutexLock lock(&process_->mu);
      process_->stop = reason;
    }
    void Kill() override {
      {
        absl::MutexLock lock(&process_->mu);
        process_->killed = true;
      }
      process_->End(WorkerExit::Kind::kCrashed, "killed by signal 9 (SIGKILL)");
    }

   private:
    const std::shared_ptr<Process> process_;
  };

  std::atomic<bool> hold_data_tasks_ = false;
  absl::Mutex mu_;
  std::vector<std::shared_ptr<Process>> started_ ABSL_GUARDED_BY(mu_);
  absl::Status failure_ ABSL_GUARDED_BY(mu_);
};

}  // namespace traind::server
