// Tasks whose caller waits, each in a worker process of its own: probe, predict, preview. A crash costs the caller an
// error, never the server. They take their threads and memory from the budget that jobs take theirs from, and run at
// the lowest priority of the operating system. Thread-safe.
#pragma once

#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "server/rpc/call_context.h"
#include "server/scheduler/budget.h"
#include "server/workers/worker.h"

namespace traind::server {

class TaskRunner {
 public:
  // At most `limit` tasks run or wait for the budget. `launcher` and `budget` outlive this.
  TaskRunner(Launcher* launcher, Budget* budget, Budget::Lane lane, int limit)
      : launcher_(launcher), budget_(budget), lane_(lane), limit_(limit) {}

  // Runs the task to its end as soon as the budget has room for it, with at most the threads that it names. A task
  // whose caller has gone is killed (CANCELLED), and so is one that takes longer than the caller waits
  // (DEADLINE_EXCEEDED). RESOURCE_EXHAUSTED: too many run or wait. The task's own errors come as they are; INTERNAL:
  // the process died.
  absl::StatusOr<internal::Result> Run(int64_t memory_bytes, internal::Task task, CallContext& call);

 private:
  absl::StatusOr<internal::Result> RunWorker(const WorkerShare& share, internal::Task task, CallContext& call);

  Launcher* const launcher_;
  Budget* const budget_;
  const Budget::Lane lane_;
  const int limit_;
  absl::Mutex mu_;
  int tasks_ ABSL_GUARDED_BY(mu_) = 0;  // That run or wait.
};

}  // namespace traind::server
