#include "server/scheduler/scheduler.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "server/scheduler/owners.h"
#include "server/scheduler/timeline.h"

namespace traind::server {
namespace {

// Later than every known end. Unknown ends are multiples of it.
constexpr absl::Duration kUnknown = absl::Hours(24 * 365 * 100);

// A job that should have ended by now holds what it has for another moment.
absl::Duration Known(absl::Duration length) { return std::clamp(length, absl::Seconds(1), kUnknown - absl::Hours(1)); }
bool IsKnown(absl::Duration length) { return length != absl::InfiniteDuration(); }

// Takes from the timeline what jobs have that run.
class Running {
 public:
  explicit Running(Timeline& free) : free_(free) {}
  void Take(int64_t threads, int64_t memory, absl::Duration length) {
    free_.Take(threads, memory, absl::ZeroDuration(), IsKnown(length) ? Known(length) : ++unknown_ends_ * kUnknown);
  }

 private:
  Timeline& free_;
  int64_t unknown_ends_ = 0;
};

}  // namespace

Schedule Decide(absl::Span<const JobSnapshot> jobs, const Capacity& capacity, int64_t task_memory,
                const Owners& owners) {
  const JobsInOrder order = InOrder(jobs, owners);
  OwnerQueue queue(owners);
  Timeline free(capacity.threads, capacity.memory_bytes);
  Running running(free);
  running.Take(0, task_memory, absl::InfiniteDuration());
  for (const JobSnapshot* job : order.running) {
    running.Take(job->threads, job->memory_bytes, job->length);
    queue.Take(*job);
  }

  Schedule schedule;
  absl::Duration last;  // Start of the last of the reservations.
  for (const JobSnapshot* job : order.waiting) {
    if (!CheckFits(job->threads, job->memory_bytes, capacity).ok()) continue;
    if (!queue.Hold(*job).empty()) {
      schedule.held.push_back(job->key);
      continue;
    }
    const absl::Duration length = IsKnown(job->length) ? Known(job->length) : absl::InfiniteDuration();
    absl::Duration start = free.FirstFit(job->threads, job->memory_bytes, length);
    if (start == absl::ZeroDuration()) {
      running.Take(job->threads, job->memory_bytes, job->length);
      queue.Take(*job);
      for (Reservation& reservation : schedule.reservations) reservation.passed = true;
      schedule.start.push_back(job->key);
      continue;
    }
    // Behind one of unknown length; that may end as soon as it has started.
    if (start == absl::InfiniteDuration()) start = last;
    last = std::max(last, start);
    free.Take(job->threads, job->memory_bytes, start, start + length);
    schedule.reservations.push_back({.key = job->key, .start = start < kUnknown ? start : absl::InfiniteDuration()});
    if (!job->may_be_passed || schedule.reservations.size() == kMaxReservations) break;
  }
  std::sort(schedule.held.begin(), schedule.held.end());
  return schedule;
}

absl::Duration PassableFor(const Reservation& reservation, absl::Duration patience) {
  return patience + (IsKnown(reservation.start) ? reservation.start : absl::ZeroDuration());
}

JobsInOrder InOrder(absl::Span<const JobSnapshot> jobs, const Owners& owners) {
  JobsInOrder order;
  for (const JobSnapshot& job : jobs) (job.has_worker ? order.running : order.waiting).push_back(&job);
  std::sort(order.running.begin(), order.running.end(),
            [](const JobSnapshot* a, const JobSnapshot* b) { return a->key < b->key; });
  order.waiting = ByTurn(std::move(order.waiting), order.running, owners);
  return order;
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
