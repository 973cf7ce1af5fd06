// The reading half of the store.
#include <limits>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "server/resources/job_record.h"
#include "server/resources/names.h"
#include "server/store/event_codec.h"
#include "server/store/sqlite_job_store.h"

namespace traind::server {
namespace {

// A row of key, last_sequence, progress, record.
absl::StatusOr<StoredJob> JobOf(const Statement& row) {
  StoredJob stored;
  stored.key = row.Integer(0);
  const absl::string_view progress = row.Bytes(2);
  const absl::string_view record = row.Bytes(3);
  if (!stored.job.ParseFromArray(record.data(), static_cast<int>(record.size())) ||
      !stored.job.mutable_progress()->ParseFromArray(progress.data(), static_cast<int>(progress.size()))) {
    return absl::DataLossError(absl::StrCat("the store's record of job number ", stored.key, " is damaged"));
  }
  stored.job.set_last_sequence(row.Integer(1));
  CompleteRecord(stored.job);
  return stored;
}

absl::Status ParseEvent(absl::string_view payload, JobKey key, v1::Event* event) {
  if (DecodeEvent(payload, event)) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("an event of job number ", key, " is damaged in the store"));
}

}  // namespace

absl::StatusOr<StoredJob> SqliteJobStore::GetJob(const std::string& id) {
  absl::MutexLock lock(&read_mu_);
  absl::Cleanup reset = [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { get_job_.Reset(); };
  get_job_.Bind(1, id);
  auto row = get_job_.Step();
  if (!row.ok()) return row.status();
  if (!*row) return NotFoundError("Job", absl::StrCat("jobs/", id));
  return JobOf(get_job_);
}

absl::StatusOr<std::optional<StoredRequest>> SqliteJobStore::FindRequest(const std::string& request_id,
                                                                         absl::Time now) {
  absl::MutexLock lock(&read_mu_);
  absl::Cleanup reset = [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { find_request_.Reset(); };
  find_request_.Bind(1, request_id);
  auto row = find_request_.Step();
  if (!row.ok()) return row.status();
  if (!*row) return std::nullopt;
  StoredRequest request{.request_id = request_id,
                        .method = std::string(find_request_.Bytes(0)),
                        .resource = std::string(find_request_.Bytes(1)),
                        .uid = std::string(find_request_.Bytes(2)),
                        .fingerprint = std::string(find_request_.Bytes(3)),
                        .create_time = absl::FromUnixSeconds(find_request_.Integer(4))};
  const bool deleted = find_request_.Integer(6) == 0;
  if (deleted) request.delete_time = absl::FromUnixSeconds(find_request_.Integer(5));
  if (deleted && request.delete_time <= now - kRequestLifetime) return std::nullopt;
  return request;
}

absl::Status SqliteJobStore::ListJobs(JobKey before, const std::vector<v1::JobState>& states,
                                      const std::function<bool(StoredJob)>& add) {
  int64_t mask = states.empty() ? ~int64_t{0} : 0;
  for (v1::JobState state : states) mask |= int64_t{1} << state;
  absl::MutexLock lock(&read_mu_);
  absl::Cleanup reset = [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { list_jobs_.Reset(); };
  list_jobs_.Bind(1, before > 0 ? before : std::numeric_limits<int64_t>::max());
  list_jobs_.Bind(2, mask);
  while (true) {
    auto row = list_jobs_.Step();
    if (!row.ok()) return row.status();
    if (!*row) return absl::OkStatus();
    auto job = JobOf(list_jobs_);
    if (!job.ok()) return job.status();
    if (!add(*std::move(job))) return absl::OkStatus();
  }
}

absl::StatusOr<std::vector<std::string>> SqliteJobStore::JobIds() {
  absl::MutexLock lock(&read_mu_);
  absl::Cleanup reset = [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { job_ids_.Reset(); };
  std::vector<std::string> ids;
  while (true) {
    auto row = job_ids_.Step();
    if (!row.ok()) return row.status();
    if (!*row) return ids;
    ids.emplace_back(job_ids_.Bytes(0));
  }
}

absl::StatusOr<JobStore::EventBatch> SqliteJobStore::ReadEvents(JobKey key, const ReadOptions& options) {
  EventBatch batch;
  batch.last_scanned = options.after_sequence;
  int64_t bytes = 0;
  absl::MutexLock lock(&read_mu_);
  absl::Cleanup reset = [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { read_events_.Reset(); };
  read_events_.Bind(1, key);
  read_events_.Bind(2, options.after_sequence);
  read_events_.Bind(3, int64_t{options.max_events});
  while (true) {
    auto row = read_events_.Step();
    if (!row.ok()) return row.status();
    if (!*row) return batch;
    if ((options.kinds >> KindOfColumn(read_events_.Integer(1))) & 1) {
      auto event = std::make_shared<v1::Event>();
      if (absl::Status status = ParseEvent(read_events_.Bytes(2), key, event.get()); !status.ok()) return status;
      bytes += static_cast<int64_t>(event->ByteSizeLong());
      if (bytes > options.max_bytes && !batch.events.empty()) return batch;
      batch.events.push_back(std::move(event));
    }
    batch.last_scanned = read_events_.Integer(0);
  }
}

absl::StatusOr<std::optional<v1::Event>> SqliteJobStore::FindEvent(JobKey key, v1::EventKind kind, uint64_t step) {
  absl::MutexLock lock(&read_mu_);
  absl::Cleanup reset = [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { find_event_.Reset(); };
  find_event_.Bind(1, key);
  find_event_.Bind(2, int64_t{kind});
  find_event_.Bind(3, static_cast<int64_t>(step));
  auto row = find_event_.Step();
  if (!row.ok()) return row.status();
  if (!*row) return std::nullopt;
  v1::Event event;
  if (absl::Status status = ParseEvent(find_event_.Bytes(0), key, &event); !status.ok()) return status;
  return event;
}

absl::StatusOr<std::vector<std::optional<uint64_t>>> SqliteJobStore::LastSteps(JobKey key) {
  absl::MutexLock lock(&read_mu_);
  absl::Cleanup reset = [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { last_steps_.Reset(); };
  last_steps_.Bind(1, key);
  std::vector<std::optional<uint64_t>> steps(v1::EventKind_ARRAYSIZE);
  while (true) {
    auto row = last_steps_.Step();
    if (!row.ok()) return row.status();
    if (!*row) return steps;
    const int64_t kind = last_steps_.Integer(0);
    if (kind >= 0 && kind < static_cast<int64_t>(steps.size())) {
      steps[kind] = static_cast<uint64_t>(last_steps_.Integer(1));
    }
  }
}

}  // namespace traind::server
