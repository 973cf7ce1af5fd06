// Starts workers for the job manager: real processes in the server, fakes in tests.
#pragma once

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "server/workers/worker_process.h"
#include "traind/internal/worker.pb.h"

namespace traind::server {

// A worker that was started. Its callbacks have the contract of WorkerProcess. The destructor ends it and waits for
// on_exit to return, so it must not run in a callback.
class Worker {
 public:
  virtual ~Worker() = default;
  virtual void Stop(internal::Stop::Reason reason) = 0;
  virtual void Kill() = 0;
};

class Launcher {
 public:
  virtual ~Launcher() = default;
  // `memory_bytes` is what the task was admitted with. Thread-safe.
  virtual absl::StatusOr<std::unique_ptr<Worker>> Start(int64_t memory_bytes, internal::Task task,
                                                        WorkerProcess::Callbacks callbacks) = 0;
};

// Starts traind-worker processes.
class ProcessLauncher : public Launcher {
 public:
  explicit ProcessLauncher(WorkerOptions options) : options_(std::move(options)) {}
  absl::StatusOr<std::unique_ptr<Worker>> Start(int64_t memory_bytes, internal::Task task,
                                                WorkerProcess::Callbacks callbacks) override;

 private:
  const WorkerOptions options_;
};

}  // namespace traind::server
