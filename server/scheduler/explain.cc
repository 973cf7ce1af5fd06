#include <algorithm>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "server/scheduler/owners.h"
#include "server/scheduler/scheduler.h"

namespace traind::server {
namespace {

constexpr size_t kMaxBlockers = 10;  // As QueueStatus.blocked_by says.

using Names = std::vector<const JobSnapshot*>;

std::string Threads(int64_t count) { return absl::StrCat(count, count == 1 ? " thread" : " threads"); }

std::string Memory(int64_t bytes) {
  constexpr int64_t kMiB = 1 << 20;
  constexpr int64_t kGiB = 1 << 30;
  return bytes < kGiB ? absl::StrCat((bytes + kMiB - 1) / kMiB, " MiB")
                      : absl::StrFormat("%.1f GiB", static_cast<double>(bytes) / kGiB);
}

// Free now, and of how much.
struct Free {
  int64_t threads;
  int64_t memory_bytes;
  const Capacity& capacity;
};

// What the job needs and does not find; empty: nothing.
std::string Lack(const JobSnapshot& job, const Free& free) {
  std::vector<std::string> lacks;
  if (job.threads > free.threads) {
    const int64_t there = std::max<int64_t>(free.threads, 0);
    lacks.push_back(absl::StrCat("needs ", Threads(job.threads), ", ", there, " of ", free.capacity.threads,
                                 there == 1 ? " is free" : " are free"));
  }
  if (job.memory_bytes > free.memory_bytes) {
    lacks.push_back(absl::StrCat("needs ", Memory(job.memory_bytes), " of memory, ",
                                 Memory(std::max<int64_t>(free.memory_bytes, 0)), " of ",
                                 Memory(free.capacity.memory_bytes), " are free"));
  }
  return absl::StrJoin(lacks, "; ");
}

std::string TooLarge(const JobSnapshot& job, const Capacity& capacity) {
  const std::string there = job.threads > capacity.threads
                                ? absl::StrCat("needs ", Threads(job.threads), ", the server has ", capacity.threads)
                                : absl::StrCat("needs ", Memory(job.memory_bytes), " of memory, the server has ",
                                               Memory(capacity.memory_bytes));
  return absl::StrCat(there, "; waits for one with more");
}

std::string StandsBefore(const JobSnapshot& first, const JobSnapshot& job) {
  return absl::StrCat(first.name, first.priority == job.priority ? "" : absl::StrCat(" with priority ", first.priority),
                      " stands before it");
}

Names OfOwner(const Names& jobs, const std::string& owner) {
  Names result;
  std::copy_if(jobs.begin(), jobs.end(), std::back_inserter(result),
               [&](const JobSnapshot* job) { return job->owner == owner; });
  return result;
}

void AddBlockers(const Names& jobs, v1::QueueStatus& status) {
  for (const JobSnapshot* job : jobs) {
    if (status.blocked_by_size() == static_cast<int>(kMaxBlockers)) return;
    status.add_blocked_by(job->name);
  }
}

}  // namespace

std::map<int64_t, v1::QueueStatus> Explain(absl::Span<const JobSnapshot> jobs, const Capacity& capacity,
                                           int64_t task_memory, const Owners& owners) {
  const JobsInOrder order = InOrder(jobs, owners);
  OwnerQueue queue(owners);
  Free free{.threads = capacity.threads, .memory_bytes = capacity.memory_bytes - task_memory, .capacity = capacity};
  for (const JobSnapshot* job : order.running) {
    free.threads -= job->threads;
    free.memory_bytes -= job->memory_bytes;
    queue.Take(*job);
  }
  std::map<int64_t, v1::QueueStatus> result;
  Names ahead;  // The first ones.
  uint32_t place = 0;
  for (const JobSnapshot* job : order.waiting) {
    v1::QueueStatus& status = result[job->key];
    status.set_place(++place);
    if (!CheckFits(job->threads, job->memory_bytes, capacity).ok()) {
      status.set_reason(TooLarge(*job, capacity));
      continue;
    }
    if (std::string held = queue.Hold(*job); !held.empty()) {
      AddBlockers(OfOwner(order.running, job->owner), status);
      status.set_reason(std::move(held));
      continue;
    }
    std::string lack = Lack(*job, free);
    if (!lack.empty()) AddBlockers(order.running, status);
    AddBlockers(ahead, status);
    status.set_reason(!lack.empty()    ? std::move(lack)
                      : !ahead.empty() ? StandsBefore(*ahead.front(), *job)
                                       : std::string("starts now"));
    if (ahead.size() < kMaxBlockers) ahead.push_back(job);
  }
  return result;
}

}  // namespace traind::server
