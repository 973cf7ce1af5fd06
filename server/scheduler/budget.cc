#include "server/scheduler/budget.h"

#include <algorithm>
#include <utility>

namespace traind::server {
namespace {

// What a task is taken for whose memory is not counted. Reading a dataset and probing a network of the usual size take
// less.
constexpr int64_t kAllowance = int64_t{256} << 20;

}  // namespace

int64_t Budget::task_memory() const {
  absl::MutexLock lock(&mu_);
  return tasks_.memory_bytes;
}

Budget::Usage Budget::usage() const {
  absl::MutexLock lock(&mu_);
  const auto lanes = std::count(lane_taken_.begin(), lane_taken_.end(), true);
  return {.threads = jobs_.threads + tasks_.threads + lanes, .memory_bytes = jobs_.memory_bytes + tasks_.memory_bytes};
}

std::unique_ptr<Budget::Lease> Budget::Ask(const Need& need, std::function<void()> on_turn) {
  Need bounded = need;
  bounded.threads = std::clamp(need.threads, 1u, std::max(capacity_.threads, 1u));
  const int64_t memory_bytes = need.memory_bytes == kNotCounted ? kAllowance : need.memory_bytes;
  bounded.memory_bytes = std::min(memory_bytes, capacity_.memory_bytes);
  auto lease = std::unique_ptr<Lease>(new Lease(this, bounded, std::move(on_turn)));
  absl::MutexLock lock(&mu_);
  line_.push_back(lease.get());
  Grant(lease.get());
  return lease;
}

Schedule Budget::StartJobs(absl::Span<const JobSnapshot> jobs, const Owners& owners) {
  absl::MutexLock lock(&mu_);
  Schedule schedule = Decide(jobs, capacity_, tasks_.memory_bytes, owners);
  std::vector<int64_t> started = schedule.start;
  std::sort(started.begin(), started.end());
  const auto has_memory = [&](const JobSnapshot& job) {
    return job.has_worker || std::binary_search(started.begin(), started.end(), job.key);
  };
  jobs_ = {};
  for (const JobSnapshot& job : jobs) {
    if (!has_memory(job)) continue;
    jobs_.threads += job.threads;
    jobs_.memory_bytes += job.memory_bytes;
  }
  const int64_t free = capacity_.memory_bytes - jobs_.memory_bytes - tasks_.memory_bytes;
  job_waits_for_memory_ = std::any_of(jobs.begin(), jobs.end(), [&](const JobSnapshot& job) {
    if (std::binary_search(schedule.held.begin(), schedule.held.end(), job.key)) return false;
    return !has_memory(job) && job.memory_bytes > free && CheckFits(job.threads, job.memory_bytes, capacity_).ok();
  });
  Grant();
  return schedule;
}

void Budget::OnMemoryFreed(std::function<void()> action) {
  absl::MutexLock lock(&mu_);
  on_memory_freed_ = std::move(action);
}

void Budget::Grant(const Lease* asking) {
  std::array<bool, kLanes> waits = {};  // By Lane: nobody overtakes the first that does.
  for (auto it = line_.begin(); it != line_.end();) {
    bool& kind_waits = waits[static_cast<size_t>((*it)->need_.lane)];
    if (!kind_waits && TryGrant(**it)) {
      if (*it != asking && (*it)->on_turn_ != nullptr) (*it)->on_turn_();
      it = line_.erase(it);
    } else {
      kind_waits = true;
      ++it;
    }
  }
}

bool Budget::TryGrant(Lease& lease) {
  const int64_t free_threads = capacity_.threads - jobs_.threads - tasks_.threads;
  const int64_t free_memory = capacity_.memory_bytes - jobs_.memory_bytes - tasks_.memory_bytes;
  bool& lane_taken = lane_taken_[static_cast<size_t>(lease.need_.lane)];
  if (free_threads > 0 && !job_waits_for_memory_ && lease.need_.memory_bytes <= free_memory) {
    lease.state_ = Lease::State::kGranted;
    lease.threads_ = static_cast<uint32_t>(std::min<int64_t>(lease.need_.threads, free_threads));
    tasks_.threads += lease.threads_;
    tasks_.memory_bytes += lease.need_.memory_bytes;
  } else if (!lane_taken) {
    lease.state_ = Lease::State::kInLane;
    lease.threads_ = 1;
    lane_taken = true;
  } else {
    return false;
  }
  return true;
}

void Budget::Return(Lease& lease) {
  switch (std::exchange(lease.state_, Lease::State::kCancelled)) {
    case Lease::State::kWaits:
      line_.remove(&lease);
      break;
    case Lease::State::kGranted:
      tasks_.threads -= lease.threads_;
      tasks_.memory_bytes -= lease.need_.memory_bytes;
      if (on_memory_freed_ != nullptr) on_memory_freed_();
      break;
    case Lease::State::kInLane:
      lane_taken_[static_cast<size_t>(lease.need_.lane)] = false;
      break;
    case Lease::State::kCancelled:
      return;
  }
  Grant();
}

Budget::Lease::~Lease() {
  absl::MutexLock lock(&budget_->mu_);
  budget_->Return(*this);
}

uint32_t Budget::Lease::threads() const {
  absl::MutexLock lock(&budget_->mu_);
  return threads_;
}

absl::StatusOr<uint32_t> Budget::Lease::Await(absl::Time deadline) {
  absl::MutexLock lock(&budget_->mu_);
  const auto decided = [this] { return state_ != State::kWaits; };
  if (!budget_->mu_.AwaitWithDeadline(absl::Condition(&decided), deadline)) {
    return absl::DeadlineExceededError("the caller did not wait for free threads");
  }
  if (state_ == State::kCancelled) return absl::CancelledError("nobody waits for the task any more");
  return threads_;
}

void Budget::Lease::Cancel() {
  absl::MutexLock lock(&budget_->mu_);
  if (state_ == State::kWaits) budget_->Return(*this);
}

}  // namespace traind::server
