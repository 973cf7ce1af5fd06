// One-shot tasks in a worker process of their own: probe, evaluate, predict, import, describe. A crash costs the caller
// an error, never the server. At most `limit` at a time; they run beside the jobs, outside the scheduler's budget.
// Thread-safe.
#pragma once

#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "server/rpc/call_context.h"
#include "server/workers/worker.h"

namespace traind::server {

class TaskRunner {
 public:
  // `launcher` outlives this.
  TaskRunner(Launcher* launcher, int limit) : launcher_(launcher), limit_(limit) {}

  // Runs the task to its end. A task whose caller has gone is killed (CANCELLED), and so is one that takes longer than
  // the caller waits (DEADLINE_EXCEEDED). RESOURCE_EXHAUSTED: too many run. The task's own errors come as they are;
  // UNAVAILABLE: the process died.
  absl::StatusOr<internal::Result> Run(int64_t memory_bytes, internal::Task task, CallContext& call);

 private:
  Launcher* const launcher_;
  const int limit_;
  absl::Mutex mu_;
  int running_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace traind::server
