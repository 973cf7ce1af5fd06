// The sandbox of a worker: a process that decodes and computes what strangers send leaves itself no more than its task
// needs, before it reads any of that. Without privilege and without a helper: limits, no privileges, Landlock, seccomp,
// in this order. Each layer is used as far as the running kernel has it; one that it has and that cannot be set up is
// an error. Environment and descriptors are cleaned by whoever starts the process (server/workers/spawn.h).
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "server/sandbox/landlock.h"
#include "server/sandbox/privileges.h"

namespace traind::server {

struct SandboxRules {
  FileRules files;
  Limits limits;
  int socket = -1;  // The one descriptor to send to and receive from.
  // For tests, which look at each layer alone.
  int newest_landlock_abi = kNewestLandlockAbi;  // 0: without Landlock.
  bool restrict_system_calls = true;
};

// Closes the calling process off, for good. It must have one thread. FAILED_PRECONDITION: it has more. Any error: it
// must not go on.
absl::Status EnterSandbox(const SandboxRules& rules);

// A layer of the sandbox, and whether workers have it on this machine.
struct SandboxLayer {
  std::string name;  // "environment", "limits", "privileges", "landlock", "seccomp".
  bool active = false;
  std::string detail;  // Of an active one what it is; of another why it is missing.
};

// Of workers that this process starts, asked of the running kernel; in the order of their names above.
std::vector<SandboxLayer> ProbeSandbox();

// What people are told of layers that are missing: each with the reason and what that lets a worker do; empty: none is.
std::string MissingLayers(const std::vector<SandboxLayer>& layers);

// The active layers in a row: "clean environment, limits, ..., Landlock (ABI 7), seccomp".
std::string ActiveLayers(const std::vector<SandboxLayer>& layers);

}  // namespace traind::server
