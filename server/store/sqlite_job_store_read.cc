// The reading half of the store.
#include <limits>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "server/resources/job_record.h"
#include "server/resources/names.h"
#include "server/store/checked_bytes.h"
#include "server/store/event_codec.h"
#include "server/store/sqlite_job_store.h"

namespace traind::server {
namespace {

bool ParseChecked(absl::string_view stored, const std::string& about, google::protobuf::Message& message) {
  const auto bytes = Checked(stored, about);
  return bytes.has_value() && message.ParseFromArray(bytes->data(), static_cast<int>(bytes->size()));
}

// A row of key, last_sequence, progress, record, id, state.
absl::StatusOr<StoredJob> JobOf(const Statement& row) {
  const std::string name = absl::StrCat("jobs/", row.Bytes(4));
  StoredJob stored;
  stored.key = row.Integer(0);
  if (!ParseChecked(row.Bytes(3), absl::StrCat(row.Integer(5)), stored.job) ||
      !ParseChecked(row.Bytes(2), absl::StrCat(row.Integer(1)), *stored.job.mutable_progress()) ||
      stored.job.name() != name || !v1::JobState_IsValid(stored.job.state())) {
    return absl::DataLossError(absl::StrCat("the record of ", name, " is damaged; it can be deleted"));
  }
  stored.job.set_last_sequence(row.Integer(1));
  CompleteRecord(stored.job);
  return stored;
}

// The event of a row, which says in its columns which one it is.
bool ParseEvent(absl::string_view payload, int64_t sequence, v1::EventKind kind, v1::Event* event) {
  return DecodeEvent(payload, event) && event->sequence() == sequence && KindOf(*event) == kind;
}

v1::Event InPlaceOfADamagedOne(int64_t sequence) {
  v1::Event event;
  event.set_sequence(sequence);
  event.mutable_log()->set_level(v1::LogLine::LEVEL_ERROR);
  event.mutable_log()->set_text(absl::StrCat("event ", sequence, " is damaged in the server's store"));
  return event;
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

absl::StatusOr<JobKey> SqliteJobStore::KeyOf(const std::string& id) {
  absl::MutexLock lock(&read_mu_);
  return KeyIn(key_of_job_, id, "Job", "jobs");
}

absl::StatusOr<int64_t> SqliteJobStore::KeyIn(Statement& statement, const std::string& id, absl::string_view type,
                                              absl::string_view collection) {
  statement.Bind(1, id);
  auto row = statement.Step();
  const int64_t key = row.value_or(false) ? statement.Integer(0) : 0;
  statement.Reset();
  if (!row.ok()) return row.status();
  if (!*row) return NotFoundError(type, absl::StrCat(collection, "/", id));
  return key;
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
                                      const std::function<bool(StoredJob)>& add, const NameDamaged& damaged) {
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
    if (!job.ok()) {
      if (damaged != nullptr) damaged(absl::StrCat("jobs/", list_jobs_.Bytes(4)));
      continue;
    }
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

absl::StatusOr<int64_t> SqliteJobStore::EventBytesOf(const std::string& owner) {
  absl::MutexLock lock(&read_mu_);
  event_bytes_.Bind(1, owner);
  const absl::StatusOr<bool> row = event_bytes_.Step();
  const int64_t bytes = row.value_or(false) ? event_bytes_.Integer(0) : 0;
  event_bytes_.Reset();
  if (!row.ok()) return row.status();
  return bytes;
}

absl::StatusOr<std::map<v1::JobState, int64_t>> SqliteJobStore::CountJobs() {
  absl::MutexLock lock(&read_mu_);
  absl::Cleanup reset = [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { count_jobs_.Reset(); };
  std::map<v1::JobState, int64_t> counts;
  while (true) {
    auto row = count_jobs_.Step();
    if (!row.ok()) return row.status();
    if (!*row) return counts;
    counts[static_cast<v1::JobState>(count_jobs_.Integer(0))] = count_jobs_.Integer(1);
  }
}

absl::StatusOr<JobStore::EventUse> SqliteJobStore::MeasureEvents(JobKey key) {
  absl::MutexLock lock(&count_mu_);
  // By kind, in the order of an index. The length of a payload is known without its pages.
  auto statement = Statement::Prepare(
      counter_.get(), "SELECT kind, COUNT(*), SUM(LENGTH(payload)) FROM events WHERE job = ?1 GROUP BY kind");
  if (!statement.ok()) return statement.status();
  statement->Bind(1, key);
  EventUse use;
  while (true) {
    auto row = statement->Step();
    if (!row.ok()) return row.status();
    if (!*row) return use;
    use.events += statement->Integer(1);
    use.bytes += statement->Integer(2);
    if (statement->Integer(0) != v1::EVENT_KIND_STATISTICS) continue;
    use.reports = statement->Integer(1);
    use.report_bytes = statement->Integer(2);
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
    const int64_t sequence = read_events_.Integer(0);
    const v1::EventKind kind = KindOfColumn(read_events_.Integer(1));
    // One whose kind is not known any more is for everybody.
    if (kind == v1::EVENT_KIND_UNSPECIFIED || ((options.kinds >> kind) & 1) != 0) {
      auto event = std::make_shared<v1::Event>();
      if (!ParseEvent(read_events_.Bytes(2), sequence, kind, event.get())) *event = InPlaceOfADamagedOne(sequence);
      bytes += static_cast<int64_t>(event->ByteSizeLong());
      if (bytes > options.max_bytes && !batch.events.empty()) return batch;
      batch.events.push_back(std::move(event));
    }
    batch.last_scanned = sequence;
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
  return ParseEvent(find_event_.Bytes(0), find_event_.Integer(1), kind, &event) ? std::make_optional(std::move(event))
                                                                                : std::nullopt;
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
