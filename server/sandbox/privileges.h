// What a process may still become, and how much it may take: no privileges to gain, none left, and limits. Each
// function is for the whole process or the calling thread and those that it starts, and for good. Thread-compatible.
#pragma once

#include <cstdint>

#include "absl/status/status.h"

namespace traind::server {

// Bytes and counts; 0: as it is. A limit is never raised.
struct Limits {
  int64_t address_space = 0;  // Bytes that can be mapped.
  int64_t file_size = 0;      // Bytes; past them writing fails with EFBIG.
  int64_t open_files = 0;     // Descriptors.
  // Threads of all processes of the user together, which is how the kernel counts; not of root's.
  int64_t user_threads = 0;
};

// Soft and hard limits; no core files and no locked memory in any case.
absl::Status SetLimits(const Limits& limits);

// no_new_privs; no core of any kind; no tracing by others of the user. Of the capabilities of a server that runs as
// root one is left, without which root could not read what its people own: CAP_DAC_OVERRIDE.
absl::Status DropPrivileges();

}  // namespace traind::server
