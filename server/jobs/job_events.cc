// What workers say of their jobs: into the store, then to those who watch.
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/jobs/job_manager.h"
#include "server/jobs/progress.h"
#include "server/telemetry/log_scope.h"
#include "spdlog/spdlog.h"

namespace traind::server {
namespace {

// Worth trying again: the disk is full or failed for a moment.
bool IsTransient(const absl::Status& status) {
  return absl::IsResourceExhausted(status) || absl::IsUnavailable(status);
}

// The step of the newest TRAIN event; 0: there is none.
uint64_t LastTrainStep(const LogPosition& position) {
  const auto kind = static_cast<size_t>(v1::EVENT_KIND_TRAIN);
  return kind < position.last_steps.size() ? position.last_steps[kind].value_or(0) : 0;
}

// Without the findings of the worker that the log has already: it makes them again when it comes to the same place.
std::vector<v1::Event> WithoutKnown(const std::vector<v1::Event>& events, const core::Insight& insight) {
  std::vector<v1::Event> news;
  for (const v1::Event& event : events) {
    if (!event.has_finding() || insight.IsNews(event.finding())) news.push_back(event);
  }
  return news;
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
  const LogScope scope({.resource = absl::StrCat("jobs/", live.id)});
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

absl::Status JobManager::RecallInsight(LiveJob& live) {
  constexpr uint32_t kKinds = 1u << v1::EVENT_KIND_TRAIN | 1u << v1::EVENT_KIND_EVALUATION |
                              1u << v1::EVENT_KIND_STATISTICS | 1u << v1::EVENT_KIND_DATA |
                              1u << v1::EVENT_KIND_FINDING;
  core::Insight insight = core::Insight::Of(live.job);
  JobStore::ReadOptions options{.kinds = kKinds};
  while (options.after_sequence < live.job.last_sequence()) {
    const auto batch = store_->ReadEvents(live.key, options);
    if (!batch.ok()) return batch.status();
    for (const auto& event : batch->events) insight.Recall(*event);
    if (batch->last_scanned == options.after_sequence) break;
    options.after_sequence = batch->last_scanned;
  }
  live.insight = std::move(insight);
  return absl::OkStatus();
}

absl::Status JobManager::Append(LiveJob& live, const std::vector<v1::Event>& events) {
  absl::MutexLock lock(&live.mu);
  if (!live.insight.has_value()) {
    if (absl::Status status = RecallInsight(live); !status.ok()) return status;
  }
  LogPosition position = live.position;
  core::Insight insight = *live.insight;
  const uint64_t trained = LastTrainStep(position);
  auto sequenced = Sequence(
      WithoutKnown(events, insight), absl::Now(),
      [&](v1::EventKind kind, uint64_t step) { return store_->FindEvent(live.key, kind, step); }, position,
      [&](const v1::Event& event) { return insight.Note(event); });
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
  live.insight = std::move(insight);
  log_->Publish(live.key, *sequenced);
  CountTraining(live, *sequenced, trained);
  return absl::OkStatus();
}

}  // namespace traind::server
