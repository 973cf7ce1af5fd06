#include "server/tensorboard/live_event_files.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/resources/job_state.h"
#include "server/resources/names.h"
#include "spdlog/spdlog.h"

namespace traind::server {
namespace {

constexpr uint32_t Bit(v1::EventKind kind) { return 1u << kind; }

// Of which event files have something.
constexpr uint32_t kShownKinds = Bit(v1::EVENT_KIND_STATE) | Bit(v1::EVENT_KIND_TRAIN) |
                                 Bit(v1::EVENT_KIND_EVALUATION) | Bit(v1::EVENT_KIND_TEST) |
                                 Bit(v1::EVENT_KIND_STATISTICS);

std::vector<v1::JobState> LiveStates() {
  std::vector<v1::JobState> states;
  for (int state = v1::JobState_MIN; state <= v1::JobState_MAX; ++state) {
    const auto live = static_cast<v1::JobState>(state);
    if (live != v1::JOB_STATE_UNSPECIFIED && !IsTerminal(live)) states.push_back(live);
  }
  return states;
}

}  // namespace

void LiveEventFiles::Start(absl::Duration interval) {
  thread_ = std::thread([this, interval] { Loop(interval); });
}

void LiveEventFiles::Stop() {
  {
    absl::MutexLock lock(&mu_);
    stop_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

bool LiveEventFiles::stopping() const {
  absl::MutexLock lock(&mu_);
  return stop_;
}

void LiveEventFiles::Loop(absl::Duration interval) {
  while (!stopping()) {
    Pass().IgnoreError();  // It is in the log.
    absl::MutexLock lock(&mu_);
    mu_.AwaitWithTimeout(absl::Condition(&stop_), interval);
  }
  Pass().IgnoreError();
}

absl::Status LiveEventFiles::Pass() {
  const bool last = stopping();
  std::vector<std::pair<JobKey, std::string>> jobs;  // With their ids: records are large.
  for (auto& [key, run] : runs_) run.seen = false;
  const absl::Status listed =
      store_->ListJobs(0, first_ && !last ? std::vector<v1::JobState>() : LiveStates(), [&](const StoredJob& stored) {
        jobs.emplace_back(stored.key, IdOf(stored.job.name()));
        if (const auto run = runs_.find(stored.key); run != runs_.end()) run->second.seen = true;
        return true;
      });
  if (!listed.ok()) {
    spdlog::warn("--tensorboard-dir: {}", listed.ToString());
    return listed;
  }
  // Those that were live have ended, or were deleted.
  std::vector<JobKey> over;
  for (const auto& [key, run] : runs_) {
    if (!run.seen) over.push_back(key);
  }
  absl::Status status;
  for (const auto& [key, id] : jobs) {
    if (stopping() && !last) return status;
    if (last && (runs_.count(key) == 0 || runs_[key].file == nullptr)) continue;
    const absl::StatusOr<StoredJob> job = store_->GetJob(id);
    if (job.ok() && job->key == key) status.Update(Write(*job));
  }
  for (const JobKey key : over) {
    const absl::StatusOr<StoredJob> job = store_->GetJob(runs_[key].id);
    const absl::Status written = job.ok() && job->key == key ? Write(*job) : absl::OkStatus();
    if (written.ok()) runs_.erase(key);  // The others are tried again.
    status.Update(written);
  }
  first_ = false;
  return status;
}

absl::Status LiveEventFiles::Write(const StoredJob& job) {
  Run& run = runs_[job.key];
  run.id = std::string(IdOf(job.job.name()));
  const absl::Status status = Append(job, run);
  const std::string error = status.ok() ? "" : std::string(status.message());
  if (!error.empty() && error != run.error) spdlog::warn("--tensorboard-dir: {}: {}", job.job.name(), error);
  run.error = error;
  // What is over, or waits, holds no file open; after an error the file's own end says where to go on.
  if (!status.ok() || job.job.state() != v1::JOB_STATE_RUNNING) run.file = nullptr;
  if (status.ok() && IsTerminal(job.job.state())) runs_.erase(job.key);
  return status;
}

absl::Status LiveEventFiles::Append(const StoredJob& job, Run& run) {
  if (job.job.last_sequence() <= run.last_sequence) return absl::OkStatus();
  if (run.file == nullptr) {
    absl::StatusOr<tensorboard::EventFile> file = tensorboard::EventFile::Open(folder_, job.job);
    if (!file.ok()) return file.status();
    run.file = std::make_unique<tensorboard::EventFile>(*std::move(file));
    run.last_sequence = run.file->last_sequence();
  }
  JobStore::ReadOptions options{.after_sequence = run.last_sequence, .kinds = kShownKinds};
  while (true) {
    const absl::StatusOr<JobStore::EventBatch> batch = store_->ReadEvents(job.key, options);
    if (!batch.ok()) return batch.status();
    for (const auto& event : batch->events) {
      if (absl::Status status = run.file->Append(*event); !status.ok()) return status;
    }
    if (batch->last_scanned == options.after_sequence) break;
    options.after_sequence = batch->last_scanned;
  }
  if (absl::Status status = run.file->Flush(); !status.ok()) return status;
  run.last_sequence = options.after_sequence;
  return absl::OkStatus();
}

}  // namespace traind::server
