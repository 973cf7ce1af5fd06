#include "server/workers/launcher.h"

#include <utility>

namespace traind::server {
namespace {

// The admission bound counts what the engine holds; beside it a process has stacks, allocator arenas and libraries. The
// limit is there to stop a runaway, not to measure.
constexpr int64_t kProcessOverheadBytes = int64_t{1} << 30;

class ProcessWorker : public Worker {
 public:
  explicit ProcessWorker(std::unique_ptr<WorkerProcess> process) : process_(std::move(process)) {}
  void Stop(internal::Stop::Reason reason) override { process_->Stop(reason); }
  void Kill() override { process_->Kill(); }

 private:
  const std::unique_ptr<WorkerProcess> process_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Worker>> ProcessLauncher::Start(int64_t memory_bytes, internal::Task task,
                                                               WorkerProcess::Callbacks callbacks) {
  WorkerOptions options = options_;
  options.memory_limit_bytes = 2 * memory_bytes + kProcessOverheadBytes;
  auto process = WorkerProcess::Start(options, std::move(task), std::move(callbacks));
  if (!process.ok()) return process.status();
  return std::make_unique<ProcessWorker>(*std::move(process));
}

}  // namespace traind::server
