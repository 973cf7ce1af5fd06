#include "server/workers/process_launcher.h"

#include <utility>

namespace traind::server {
namespace {

// The limit is there to stop a runaway, not to measure: far above what the task was admitted with, also where that is
// little.
constexpr int64_t kProcessOverheadBytes = int64_t{1} << 30;
// The lowest priority that computes at all beside others: docs/benchmarks.md has what a job loses to it.
constexpr int kBackgroundNice = 19;

}  // namespace

absl::StatusOr<std::unique_ptr<Worker>> ProcessLauncher::Start(const WorkerShare& share, internal::Task task,
                                                               WorkerCallbacks callbacks) {
  WorkerOptions options = options_;
  options.memory_limit_bytes = 2 * share.memory_bytes + kProcessOverheadBytes;
  if (share.background) options.nice = kBackgroundNice;
  return WorkerProcess::Start(options, std::move(task), std::move(callbacks));
}

}  // namespace traind::server
