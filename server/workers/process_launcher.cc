#include "server/workers/process_launcher.h"

#include <utility>

namespace traind::server {
namespace {

// The limit is there to stop a runaway, not to measure: far above what the task was admitted with, also where that is
// little.
constexpr int64_t kProcessOverheadBytes = int64_t{1} << 30;

}  // namespace

absl::StatusOr<std::unique_ptr<Worker>> ProcessLauncher::Start(int64_t memory_bytes, internal::Task task,
                                                               WorkerCallbacks callbacks) {
  WorkerOptions options = options_;
  options.memory_limit_bytes = 2 * memory_bytes + kProcessOverheadBytes;
  return WorkerProcess::Start(options, std::move(task), std::move(callbacks));
}

}  // namespace traind::server
