// The threads and the memory of the server, of which jobs and tasks both take. Tasks are evaluations, predictions,
// probes, and the reading of datasets.
//
// Jobs come first. The worker of a task runs in the background (WorkerShare), which leaves a job beside it nearly its
// own speed; so a job never waits for the threads of a task. A task gets
//   - the threads that nobody has, as many as it can use, with its memory within the budget; otherwise
//   - the lane of its kind: one thread, and its memory beyond the budget. One task at a time has it; otherwise
//   - its turn, in the order in which tasks of its kind have asked.
// So every task comes to move on, however busy the server is, and beyond the budget there is one of each kind.
//
// Memory that tasks hold within the budget is missing to jobs. While a job waits for memory no task takes any: it waits
// for the tasks under way at most, never for a stream of them.
//
// Thread-safe. Outlives its leases.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "server/scheduler/scheduler.h"

namespace traind::server {

class Budget {
 public:
  // An import may take hours, for which no evaluation should wait, and that of a large split some, for which no call
  // should.
  enum class Lane {
    kCalls,   // Somebody holds the line: probe, prediction of some examples, preview.
    kModels,  // Evaluation, prediction of whole splits.
    kData,    // Import, description.
  };
  static constexpr size_t kLanes = 3;
  // Memory of a task that nobody can count before: it is taken for little, and limited by what all jobs may have.
  static constexpr int64_t kNotCounted = -1;
  struct Need {
    uint32_t threads = 1;      // At most; one is enough for every task.
    int64_t memory_bytes = 0;  // More than there is at all counts as all there is.
    Lane lane = Lane::kModels;
  };
  class Lease;

  explicit Budget(const Capacity& capacity) : capacity_(capacity) {}

  const Capacity& capacity() const { return capacity_; }
  int64_t task_memory() const;  // That tasks hold within the budget.
  // What jobs and tasks have at this moment, with the threads of the lanes, which are beyond the budget.
  struct Usage {
    int64_t threads = 0;
    int64_t memory_bytes = 0;
  };
  Usage usage() const;
  // What the worker of a task may use that asked for so much.
  int64_t LimitOf(int64_t memory_bytes) const {
    return memory_bytes == kNotCounted ? capacity_.memory_bytes : memory_bytes;
  }

  // Asks for a task, which takes its place in the line. Does not wait: the lease can. `on_turn` is called once if the
  // turn comes later; it must not call the budget, nor may anybody who holds a lock that it takes. It does not run any
  // more when the lease is gone.
  std::unique_ptr<Lease> Ask(const Need& need, std::function<void()> on_turn = nullptr);

  // Decides which jobs start, and notes that they and the running ones have what they need.
  Schedule StartJobs(absl::Span<const JobSnapshot> jobs, const Owners& owners = {});
  // Sets what is called when a task has given memory back, so that a job may start; null: nothing. For `action` holds
  // what holds for `on_turn`. When this returns, the one of before does not run any more.
  void OnMemoryFreed(std::function<void()> action);

 private:
  struct Held {
    int64_t threads = 0;
    int64_t memory_bytes = 0;
  };

  // Gives to those that wait what there is for them, and tells them, but not the one that is just asking.
  void Grant(const Lease* asking = nullptr) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool TryGrant(Lease& lease) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Return(Lease& lease) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const Capacity capacity_;
  mutable absl::Mutex mu_;
  Held jobs_ ABSL_GUARDED_BY(mu_);
  Held tasks_ ABSL_GUARDED_BY(mu_);  // Within the budget.
  bool job_waits_for_memory_ ABSL_GUARDED_BY(mu_) = false;
  std::array<bool, kLanes> lane_taken_ ABSL_GUARDED_BY(mu_) = {};  // By Lane.
  std::list<Lease*> line_ ABSL_GUARDED_BY(mu_);                    // In order of arrival.
  std::function<void()> on_memory_freed_ ABSL_GUARDED_BY(mu_);
};

// What a task has of the budget, or its place in the line. The destructor gives it back. Thread-safe.
class Budget::Lease {
 public:
  ~Lease();
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;

  // The threads that the task may use; 0: its turn has not come.
  uint32_t threads() const;
  // Waits for its turn: `threads`. DEADLINE_EXCEEDED. CANCELLED after Cancel.
  absl::StatusOr<uint32_t> Await(absl::Time deadline);
  // Ends Await: nobody waits for the task any more. What was granted stays until the destructor.
  void Cancel();

 private:
  friend class Budget;
  enum class State { kWaits, kGranted, kInLane, kCancelled };
  Lease(Budget* budget, const Need& need, std::function<void()> on_turn)
      : budget_(budget), need_(need), on_turn_(std::move(on_turn)) {}

  Budget* const budget_;
  const Need need_;
  const std::function<void()> on_turn_;
  // Guarded by the budget's mutex.
  State state_ = State::kWaits;
  uint32_t threads_ = 0;
};

}  // namespace traind::server
