// Which job starts next: a pure function, so that tests step it by hand. The job manager calls it after every change.
//
// Strict order: higher priority first, equal ones by arrival. A job that does not fit what is free blocks everything
// behind it, so that a large job cannot be starved by small ones that keep slipping past; what that leaves idle is the
// price. Running jobs are never preempted. A job that would not fit an idle server blocks nobody: after a restart with
// less it waits for one with more.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"

namespace traind::server {

// What the server may give to all jobs together.
struct Capacity {
  uint32_t threads = 1;
  int64_t memory_bytes = 0;
};

// What the scheduler knows of a job that is not terminal.
struct JobSnapshot {
  int64_t key = 0;  // Order of arrival; a restarted job keeps its place.
  int32_t priority = 0;
  uint32_t threads = 1;
  int64_t memory_bytes = 0;
  bool has_worker = false;
};

// The keys of the waiting jobs to start now, in order.
std::vector<int64_t> Decide(absl::Span<const JobSnapshot> jobs, const Capacity& capacity);

// RESOURCE_EXHAUSTED when the job would not fit an idle server.
absl::Status CheckFits(uint32_t threads, int64_t memory_bytes, const Capacity& capacity);

}  // namespace traind::server
