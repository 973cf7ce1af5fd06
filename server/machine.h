// What of the machine this process may use. Reads files below `root`, which is "/" but for tests.
#pragma once

#include <cstdint>
#include <string>

namespace traind::server {

// Bytes: the machine's, or the least limit of the process's cgroup (version 1 or 2) and those around it.
int64_t AvailableMemory(const std::string& root);

// Of `cores` that it may run on: the least CPU quota of its cgroup and those around it, rounded to whole threads; 1 at
// least.
uint32_t AvailableThreads(const std::string& root, uint32_t cores);

}  // namespace traind::server
