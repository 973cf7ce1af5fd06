// Starts traind-worker processes. Thread-safe.
#pragma once

#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "server/workers/worker_process.h"
#include "traind/internal/worker.pb.h"

namespace traind::server {

class ProcessLauncher : public Launcher {
 public:
  explicit ProcessLauncher(WorkerOptions options) : options_(std::move(options)) {}
  absl::StatusOr<std::unique_ptr<Worker>> Start(const WorkerShare& share, internal::Task task,
                                                WorkerCallbacks callbacks) override;

 private:
  const WorkerOptions options_;
};

}  // namespace traind::server
