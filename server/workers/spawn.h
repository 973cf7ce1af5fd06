// Starts a traind-worker program: one socket inherited and nothing else, its output in a pipe, its own process group,
// OpenMP settings, CPU share, niceness and memory limit.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/wire/channel.h"
#include "server/workers/worker_process.h"

namespace traind::server {

struct SpawnedWorker {
  pid_t pid = -1;
  UniqueFd pidfd;   // Becomes readable when the process has ended.
  UniqueFd socket;  // Non-blocking; the only handle of the server's end.
  UniqueFd log;     // Non-blocking; what the worker prints.
};

// The caller must reap the process by its pidfd. NOT_FOUND: no such program; PERMISSION_DENIED: it cannot be run;
// INVALID_ARGUMENT: a CPU that this process may not use; RESOURCE_EXHAUSTED.
absl::StatusOr<SpawnedWorker> SpawnWorker(const WorkerOptions& options, uint32_t threads);

// The part of core::EngineEnvironment(environment, threads) that a worker gets, which is what its program is loaded and
// its libraries are tuned with, no secret and no path.
std::vector<std::string> WorkerEnvironment(const char* const* environment, uint32_t threads);

}  // namespace traind::server
