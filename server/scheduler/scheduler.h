// Which job starts next: pure functions, so that tests step them by hand. The job manager calls them after every
// change.
//
// The order is strict: higher priority first, equal ones by arrival. Where several owners have jobs that wait, it is
// that of each owner, and they take turns, so that their threads come to be in proportion to their weights (ByTurn in
// owners.h). A job that has to wait gets a reservation: the first moment from which what it needs is free for as long
// as it may run, beside the running jobs and the reservations before it. A job behind it starts earlier only if it
// disturbs none of these reservations. So small jobs fill gaps, and where the ends are known no job starts later than
// if none had ever been passed.
//
// An end that is not known is taken for later than all that are; those of running jobs come in the order of their keys.
// A waiting job of unknown length fills a gap only if it fits beside all reservations for ever. Estimates can be wrong,
// and then a job could be passed again and again: when it has not started long after it was to (PassableFor), nobody
// behind it starts any more (may_be_passed).
//
// Running jobs are never preempted. A job that would not fit an idle server blocks nobody: after a restart with less it
// waits for one with more. One beyond its owner's quota waits without a reservation, and the later ones of its owner
// behind it: the rest goes on.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "traind/v1/job.pb.h"

namespace traind::server {

// What the server may give to all jobs together.
struct Capacity {
  uint32_t threads = 1;
  int64_t memory_bytes = 0;
};

// What the scheduler knows of a job that waits or runs.
struct JobSnapshot {
  int64_t key = 0;  // Order of arrival; a restarted job keeps its place.
  int32_t priority = 0;
  uint32_t threads = 1;
  int64_t memory_bytes = 0;
  bool has_worker = false;
  // Until it ends, if it runs; otherwise how long it runs at most. InfiniteDuration: not known.
  absl::Duration length = absl::InfiniteDuration();
  bool may_be_passed = true;
  std::string name = {};   // "jobs/{id}".
  std::string owner = {};  // Empty: nobody's, without a quota.
};

// What an owner may have at a time, and how large its share is.
struct OwnerShare {
  double weight = 1;
  double lately = 0;  // Threads it had on average; see FairShare.
  int64_t max_jobs = std::numeric_limits<int64_t>::max();
  int64_t max_threads = std::numeric_limits<int64_t>::max();
  int64_t max_memory_bytes = std::numeric_limits<int64_t>::max();
};
// By name; one that is absent has weight 1 and no limits.
using Owners = std::map<std::string, OwnerShare>;

// When a job that has to wait starts at the latest, if what is known is right.
struct Reservation {
  int64_t key = 0;
  absl::Duration start;  // From now; InfiniteDuration: it depends on an end that is not known.
  bool passed = false;   // A job behind it starts now.
};

// How long the job may be passed from now on, if it is passed for the first time: until it should have started, and for
// `patience` more.
absl::Duration PassableFor(const Reservation& reservation, absl::Duration patience);

struct Schedule {
  std::vector<int64_t> start;  // The keys of the jobs to start now, in order.
  std::vector<Reservation> reservations;
  std::vector<int64_t> held;  // The keys of those that their owners' quotas hold back, sorted.
};

// Reservations are made for the first kMaxReservations jobs that wait; nobody behind them starts.
inline constexpr size_t kMaxReservations = 100;

// `task_memory` of the capacity is held by tasks for a time that is not known, but shorter than any job's.
Schedule Decide(absl::Span<const JobSnapshot> jobs, const Capacity& capacity, int64_t task_memory = 0,
                const Owners& owners = {});

// Why each job waits, by key. Takes time linear in the number of jobs.
std::map<int64_t, v1::QueueStatus> Explain(absl::Span<const JobSnapshot> jobs, const Capacity& capacity,
                                           int64_t task_memory = 0, const Owners& owners = {});

// The jobs that have a worker, by key, and those that wait, in the order in which they are to start.
struct JobsInOrder {
  std::vector<const JobSnapshot*> running;
  std::vector<const JobSnapshot*> waiting;
};
JobsInOrder InOrder(absl::Span<const JobSnapshot> jobs, const Owners& owners = {});

// RESOURCE_EXHAUSTED when the job would not fit an idle server.
absl::Status CheckFits(uint32_t threads, int64_t memory_bytes, const Capacity& capacity);

}  // namespace traind::server
