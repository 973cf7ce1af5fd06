#include "server/scheduler/scheduler.h"

#include <algorithm>
#include <tuple>

#include "absl/strings/str_format.h"

namespace traind::server {

std::vector<int64_t> Decide(absl::Span<const JobSnapshot> jobs, const Capacity& capacity) {
  int64_t free_threads = capacity.threads;
  int64_t free_memory = capacity.memory_bytes;
  std::vector<const JobSnapshot*> waiting;
  for (const JobSnapshot& job : jobs) {
    if (job.has_worker) {
      free_threads -= job.threads;
      free_memory -= job.memory_bytes;
    } else if (CheckFits(job.threads, job.memory_bytes, capacity).ok()) {
      waiting.push_back(&job);
    }
  }
  std::sort(waiting.begin(), waiting.end(), [](const JobSnapshot* a, const JobSnapshot* b) {
    return std::make_tuple(-int64_t{a->priority}, a->key) < std::make_tuple(-int64_t{b->priority}, b->key);
  });
  std::vector<int64_t> start;
  for (const JobSnapshot* job : waiting) {
    if (job->threads > free_threads || job->memory_bytes > free_memory) break;
    free_threads -= job->threads;
    free_memory -= job->memory_bytes;
    start.push_back(job->key);
  }
  return start;
}

absl::Status CheckFits(uint32_t threads, int64_t memory_bytes, const Capacity& capacity) {
  if (threads > capacity.threads) {
    return absl::ResourceExhaustedError(
        absl::StrFormat("the job wants %d threads, the server has %d (--threads)", threads, capacity.threads));
  }
  if (memory_bytes > capacity.memory_bytes) {
    constexpr double kMiB = 1 << 20;
    return absl::ResourceExhaustedError(
        absl::StrFormat("the job may need %.1f MiB of memory, the server has %.1f MiB for jobs (--memory-limit); "
                        "a smaller batch_size or network needs less",
                        static_cast<double>(memory_bytes) / kMiB, static_cast<double>(capacity.memory_bytes) / kMiB));
  }
  return absl::OkStatus();
}

}  // namespace traind::server
