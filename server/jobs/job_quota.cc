// What the owners of jobs may have: at admission, in the queue, and while their jobs run.
#include <algorithm>
#include <map>
#include <optional>

#include "absl/strings/str_cat.h"
#include "server/jobs/job_manager.h"
#include "server/resources/job_state.h"
#include "server/telemetry/log_scope.h"
#include "spdlog/spdlog.h"

namespace traind::server {
namespace {

// A place in the queue becomes free when a job starts, or somebody cancels one.
constexpr absl::Duration kQueueRetry = absl::Seconds(5);

OwnerShare ShareOf(const UserQuota& quota) {
  return {.weight = static_cast<double>(std::max(quota.weight, 1)),
          .max_jobs = ValueOf(quota.limits, QuotaKind::kRunningJobs),
          .max_threads = ValueOf(quota.limits, QuotaKind::kThreads),
          .max_memory_bytes = ValueOf(quota.limits, QuotaKind::kMemory)};
}

}  // namespace

void JobManager::Describe(const v1::Job& job, LiveJob& live) {
  live.owner = job.owner();
  live.threads = job.threads();
  live.memory_bytes = job.memory_bound_bytes();
  live.state = job.state();
}

JobManager::Use JobManager::UseOf(const std::string& owner) {
  Use use;
  for (const auto& [key, live] : live_jobs()) {
    if (live->owner != owner) continue;
    const v1::JobState state = live->state;
    if (state == v1::JOB_STATE_QUEUED) ++use.queued;
    if (!HasWorker(state)) continue;
    ++use.running;
    use.threads += live->threads;
    use.memory_bytes += live->memory_bytes;
  }
  return use;
}

absl::Status JobManager::CheckQuotaOf(const v1::Job& job) {
  const std::string& owner = job.owner();
  if (options_.quota_of == nullptr || owner.empty()) return absl::OkStatus();
  const auto quota = options_.quota_of(owner);
  if (!quota.ok()) return quota.status();
  const auto events = store_->EventBytesOf(owner);
  if (!events.ok()) return events.status();
  const auto check = [&](QuotaKind kind, int64_t used, int64_t more, absl::string_view instead,
                         std::optional<absl::Duration> retry = std::nullopt) {
    return CheckQuota(owner, quota->limits, kind, used, more, instead, retry);
  };
  absl::Status status = check(QuotaKind::kThreads, 0, job.threads(), "name fewer `threads`");
  if (status.ok()) {
    status = check(QuotaKind::kMemory, 0, job.memory_bound_bytes(), "a smaller batch_size or network needs less");
  }
  if (status.ok()) status = check(QuotaKind::kRunningJobs, 0, 1, "an administrator can change it");
  if (status.ok()) status = check(QuotaKind::kEvents, *events, 1, "delete jobs first");
  if (status.ok()) {
    status = check(QuotaKind::kQueuedJobs, UseOf(owner).queued, 1, "wait until one starts, or cancel one", kQueueRetry);
  }
  return status;
}

Owners JobManager::OwnersOf(absl::Span<const JobSnapshot> jobs) {
  Owners owners;
  for (const JobSnapshot& job : jobs) {
    if (options_.quota_of == nullptr || owners.count(job.owner) > 0) continue;
    OwnerShare& share = owners[job.owner];
    const auto quota = job.owner.empty() ? UserQuota{.limits = {}} : options_.quota_of(job.owner);
    if (quota.ok()) {
      share = ShareOf(*quota);
    } else {
      spdlog::error("the quota of {} cannot be read, its jobs wait: {}", job.owner, quota.status().ToString());
      share.max_jobs = 0;
      TryAgain();
    }
    share.lately = fair_.Average(job.owner, absl::Now());
  }
  return owners;
}

absl::Time JobManager::PauseBeyondQuota() {
  if (options_.quota_of == nullptr) return absl::InfiniteFuture();
  if (absl::Now() < quota_due_) return quota_due_;
  quota_due_ = absl::Now() + options_.quota_interval;
  bool any = false;
  std::map<std::string, std::string> beyond;  // Why, by owner; empty: it is not.
  for (const auto& [key, live] : live_jobs()) {
    if (live->owner.empty() || !HasWorker(live->state)) continue;
    any = true;
    const auto [why, first] = beyond.try_emplace(live->owner);
    if (first) {
      const auto quota = options_.quota_of(live->owner);
      const auto bytes = store_->EventBytesOf(live->owner);
      if (!quota.ok() || !bytes.ok()) continue;  // The next look will tell.
      const absl::Status room =
          CheckQuota(live->owner, quota->limits, QuotaKind::kEvents, *bytes, 0, "delete jobs, then resume this one");
      why->second = std::string(room.message());
    }
    if (!why->second.empty()) PauseForRoom(*live, why->second);
  }
  return any ? quota_due_ : absl::InfiniteFuture();
}

void JobManager::PauseForRoom(LiveJob& live, const std::string& why) {
  const LogScope scope({.resource = absl::StrCat("jobs/", live.id)});
  absl::MutexLock lock(&live.mu);
  if (live.job.state() != v1::JOB_STATE_RUNNING) return;
  const absl::Status moved = Move(live, v1::JOB_STATE_PAUSING, why, [&](v1::Job& job) { job.set_stop_reason(why); });
  if (!moved.ok()) {
    spdlog::error("{} cannot be paused yet: {}", live.job.name(), moved.ToString());
    return;
  }
  spdlog::warn("{} is paused: {}", live.job.name(), why);
  if (live.worker != nullptr) live.worker->Stop(internal::Stop::REASON_PAUSE);
}

}  // namespace traind::server
