// What workers say of their jobs: into the store, then to those who watch.
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/jobs/job_manager.h"
#include "server/jobs/progress.h"
#include "spdlog/spdlog.h"

namespace traind::server {
namespace {

// Worth trying again: the disk is full or failed for a moment.
bool IsTransient(const absl::Status& status) {
  return absl::IsResourceExhausted(status) || absl::IsUnavailable(status);
}

}  // namespace

absl::Status JobManager::OnEvents(LiveJob& live, const std::vector<v1::Event>& events) {
  for (const v1::Event& event : events) {
    if (event.has_state() || event.kind_case() == v1::Event::KIND_NOT_SET) {
      return absl::InvalidArgumentError("a worker may not send an event of this kind");
    }
  }
  for (bool waited = false;; waited = true) {
    const absl::Status status = Append(live, events);
    if (IsTransient(status) && AwaitRoom(live, status)) continue;
    if (waited) live.standing.WaitFor("");
    return status;
  }
}

bool JobManager::AwaitRoom(LiveJob& live, const absl::Status& status) {
  spdlog::error("events of jobs/{} cannot be stored yet, the job waits: {}", live.id, status.ToString());
  live.standing.WaitFor(absl::StrCat("room on the server's disk for its events: ", status.message()));
  {
    absl::MutexLock lock(&live.mu);
    // It is to end, and would never get to it.
    if (live.job.state() == v1::JOB_STATE_CANCELLING || live.job.state() == v1::JOB_STATE_PAUSING) return false;
  }
  absl::MutexLock lock(&mu_);
  return !mu_.AwaitWithTimeout(absl::Condition(&shutting_down_), options_.retry_interval);
}

absl::Status JobManager::Append(LiveJob& live, const std::vector<v1::Event>& events) {
  absl::MutexLock lock(&live.mu);
  LogPosition position = live.position;
  auto sequenced = Sequence(
      events, absl::Now(), [&](v1::EventKind kind, uint64_t step) { return store_->FindEvent(live.key, kind, step); },
      position);
  if (!sequenced.ok()) return sequenced.status();
  if (sequenced->empty()) return absl::OkStatus();
  v1::JobProgress before = live.job.progress();
  for (const v1::Event& event : *sequenced) ApplyEvent(event, *live.job.mutable_progress());
  live.job.set_last_sequence(position.last_sequence);
  if (absl::Status status = store_->AppendEvents(live.key, live.job, *sequenced); !status.ok()) {
    *live.job.mutable_progress() = std::move(before);
    live.job.set_last_sequence(live.position.last_sequence);
    return status;
  }
  live.position = std::move(position);
  log_->Publish(live.key, *sequenced);
  return absl::OkStatus();
}

}  // namespace traind::server
