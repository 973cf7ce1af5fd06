#include "server/store/sqlite_job_store.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/resources/job_state.h"
#include "server/resources/names.h"
#include "server/store/checked_bytes.h"
#include "server/store/event_codec.h"
#include "server/store/sqlite_schema.h"
#include "server/store/store_check.h"

namespace traind::server {
namespace {

// What the columns `record` and `progress` hold; the columns beside them go into the checksums.
std::string Record(const v1::Job& job) {
  v1::Job record = job;
  record.clear_progress();
  record.clear_last_sequence();
  return WithChecksum(record.SerializeAsString(), absl::StrCat(job.state()));
}

std::string Progress(const v1::Job& job) {
  return WithChecksum(job.progress().SerializeAsString(), absl::StrCat(job.last_sequence()));
}

// Instead of checkpoints inside of commits, for which callers would wait.
int NotePages(void* pages, sqlite3*, const char*, int count) {
  *static_cast<int*>(pages) = count;
  return SQLITE_OK;
}

// As SQLite says it that the disk is full; of its file of shared memory it says an I/O error.
bool NeedsRoom(const absl::Status& status) { return absl::IsResourceExhausted(status) || absl::IsUnavailable(status); }

}  // namespace

absl::StatusOr<std::unique_ptr<SqliteJobStore>> SqliteJobStore::Open(const Options& options) {
  auto store = TryOpen(options);
  while (NeedsRoom(store.status()) && options.reserve != nullptr && options.reserve->Release()) {
    store = TryOpen(options);
  }
  return store;
}

absl::StatusOr<std::unique_ptr<SqliteJobStore>> SqliteJobStore::TryOpen(const Options& options) {
  auto writer = OpenConnection(options.path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
  if (!writer.ok()) return writer.status();
  if (absl::Status status = PrepareFile(writer->get(), options.max_bytes); !status.ok()) {
    return absl::Status(status.code(), absl::StrCat(options.path, ": ", status.message()));
  }
  CheckStructure(writer->get());
  auto reader = OpenConnection(options.path, SQLITE_OPEN_READWRITE);
  if (!reader.ok()) return reader.status();
  auto counter = OpenConnection(options.path, SQLITE_OPEN_READWRITE);
  if (!counter.ok()) return counter.status();
  auto store = std::unique_ptr<SqliteJobStore>(
      new SqliteJobStore(*std::move(writer), *std::move(reader), *std::move(counter), options));
  if (absl::Status status = store->PrepareStatements(); !status.ok()) {
    return absl::Status(status.code(), absl::StrCat(options.path, ": ", status.message()));
  }
  sqlite3_wal_hook(store->writer_.get(), &NotePages, &store->log_pages_);
  store->writer_thread_ = std::thread([raw = store.get()] { raw->WriterLoop(); });
  return store;
}

absl::Status SqliteJobStore::PrepareStatements() {
  absl::MutexLock lock(&read_mu_);
  const PreparedStatement statements[] = {
      {writer_.get(), &insert_job_,
       "INSERT INTO jobs (id, state, last_sequence, progress, record) VALUES (?1, ?2, ?3, ?4, ?5)"},
      {writer_.get(), &insert_request_,
       "INSERT INTO request_ids (request_id, method, resource, uid, fingerprint, create_time) "
       "VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE SET uid = excluded.uid, create_time = "
       "excluded.create_time "
       "WHERE method = excluded.method AND resource = excluded.resource AND delete_time IS NULL RETURNING 1"},
      {writer_.get(), &mark_requests_,
       "UPDATE request_ids SET delete_time = ?2 WHERE resource = ?1 AND delete_time IS NULL"},
      {writer_.get(), &forget_requests_, "DELETE FROM request_ids WHERE delete_time <= ?1"},
      {writer_.get(), &job_name_, "SELECT 'jobs/' || id FROM jobs WHERE key = ?1"},
      {writer_.get(), &update_job_,
       "UPDATE jobs SET state = ?2, last_sequence = ?3, progress = ?4, record = ?5 WHERE key = ?1"},
      {writer_.get(), &update_progress_, "UPDATE jobs SET last_sequence = ?2, progress = ?3 WHERE key = ?1"},
      {writer_.get(), &next_doomed_, "SELECT job FROM doomed LIMIT 1"},
      {writer_.get(), &remove_events_,
       "DELETE FROM events WHERE rowid IN (SELECT rowid FROM events WHERE job = ?1 ORDER BY sequence LIMIT ?2)"},
      {writer_.get(), &insert_event_,
       "INSERT INTO events (job, sequence, kind, step, payload) VALUES (?1, ?2, ?3, ?4, ?5)"},
      {writer_.get(), &insert_size_, "INSERT INTO event_sizes VALUES (?1, ?2, 0)"},
      {writer_.get(), &add_size_, kAddEventBytes},
      {writer_.get(), &remove_size_, "DELETE FROM event_sizes WHERE job = ?1"},
      {reader_.get(), &event_bytes_, "SELECT IFNULL(SUM(bytes), 0) FROM event_sizes WHERE owner = ?1"},
      {reader_.get(), &get_job_, "SELECT key, last_sequence, progress, record, id, state FROM jobs WHERE id = ?1"},
      {reader_.get(), &key_of_job_, "SELECT key FROM jobs WHERE id = ?1"},
      {reader_.get(), &find_request_,
       "SELECT method, resource, uid, fingerprint, create_time, delete_time, delete_time IS NULL FROM request_ids "
       "WHERE request_id = ?1"},
      {reader_.get(), &list_jobs_,
       "SELECT key, last_sequence, progress, record, id, state FROM jobs WHERE key < ?1 AND (?2 >> state) & 1 "
       "ORDER BY key DESC"},
      {reader_.get(), &job_ids_, "SELECT id FROM jobs ORDER BY key"},
      {reader_.get(), &count_jobs_, "SELECT state, COUNT(*) FROM jobs GROUP BY state"},
      {reader_.get(), &read_events_,
       "SELECT sequence, kind, payload FROM events WHERE job = ?1 AND sequence > ?2 AND EXISTS (SELECT 1 FROM jobs "
       "WHERE key = ?1) "
       "ORDER BY sequence LIMIT ?3"},
      {reader_.get(), &find_event_,
       "SELECT payload, sequence FROM events WHERE job = ?1 AND kind IN (?2, ?2 + 100, ?2 + 200) AND step = ?3 "
       "ORDER BY sequence DESC LIMIT 1"},
      {reader_.get(), &last_steps_, "SELECT kind, MAX(step) FROM events WHERE job = ?1 GROUP BY kind"},
  };
  absl::Status status = PrepareAll(statements);
  if (status.ok()) status = thinner_.Prepare(writer_.get());
  return status.ok() ? PrepareOperationStatements() : status;
}

absl::Status SqliteJobStore::PrepareAll(absl::Span<const PreparedStatement> entries) {
  for (const PreparedStatement& entry : entries) {
    auto statement = Statement::Prepare(entry.connection, entry.sql);
    if (!statement.ok()) return statement.status();
    *entry.statement = *std::move(statement);
  }
  return absl::OkStatus();
}

SqliteJobStore::~SqliteJobStore() {
  {
    absl::MutexLock lock(&mu_);
    closing_ = true;
  }
  if (writer_thread_.joinable()) writer_thread_.join();
}

absl::Status SqliteJobStore::Commit(Need need, Change change) {
  Pending pending{.change = std::move(change), .need = need, .status = absl::OkStatus()};
  absl::MutexLock lock(&mu_);
  pending_.push_back(&pending);
  mu_.Await(absl::Condition(&pending.done));
  return pending.status;
}

void SqliteJobStore::WriterLoop() {
  const auto has_work = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return closing_ || !pending_.empty(); };
  while (true) {
    std::vector<Pending*> group;
    {
      absl::MutexLock lock(&mu_);
      if (!thinner_.has_work()) mu_.AwaitWithDeadline(absl::Condition(&has_work), clean_at());
      if (closing_ && pending_.empty()) return;
      group.swap(pending_);
    }
    const std::vector<Pending*> admitted = Admitted(group);
    // One change may have taken the others down with it, for example by filling the disk.
    const bool together = admitted.size() > 1 && CommitGroup(admitted);
    for (Pending* pending : admitted) {
      if (!together || NeedsRoom(pending->status)) CommitAlone(*pending);
    }
    {
      absl::MutexLock lock(&mu_);
      for (Pending* pending : group) {
        metrics_->store_changes.Add();
        if (NeedsRoom(pending->status)) metrics_->store_failures.Add();
        pending->done = true;
      }
    }
    thinner_.DoSome();
    if (group.empty() && clean_at() <= absl::Now()) CleanSome();
    BoundLog();
  }
}

std::vector<SqliteJobStore::Pending*> SqliteJobStore::Admitted(const std::vector<Pending*>& group) {
  if (reserve_ == nullptr || reserve_->Restore()) return group;
  const absl::Status full = reserve_->CheckRoom();
  std::vector<Pending*> admitted;
  for (Pending* pending : group) {
    if (full.ok() || pending->need == Need::kMust) {
      admitted.push_back(pending);
    } else {
      pending->status = full;
    }
  }
  return admitted;
}

void SqliteJobStore::CommitAlone(Pending& pending) {
  CommitGroup({&pending});
  if (pending.need != Need::kMust || !NeedsRoom(pending.status) || reserve_ == nullptr) return;
  // What is in the log already can be written over, once it is in the file.
  Execute(writer_.get(), "PRAGMA wal_checkpoint(RESTART)").IgnoreError();
  log_pages_ = 0;
  CommitGroup({&pending});
  while (NeedsRoom(pending.status) && reserve_->Release()) CommitGroup({&pending});
}

bool SqliteJobStore::CommitGroup(const std::vector<Pending*>& group) {
  const absl::Time begin = absl::Now();
  const absl::Status whole = RunGroup(group);
  metrics_->store_transaction_seconds.Observe(absl::Now() - begin);
  if (whole.ok()) return true;
  if (!sqlite3_get_autocommit(writer_.get())) sqlite3_exec(writer_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
  for (Pending* pending : group) pending->status = whole;
  return false;
}

absl::Status SqliteJobStore::RunGroup(const std::vector<Pending*>& group) {
  sqlite3* connection = writer_.get();
  absl::Status whole = Execute(connection, "BEGIN IMMEDIATE");
  for (size_t i = 0; i < group.size() && whole.ok(); ++i) {
    whole = Execute(connection, "SAVEPOINT change");
    if (!whole.ok()) break;
    group[i]->status = group[i]->change();
    if (sqlite3_get_autocommit(connection)) {
      whole = group[i]->status;  // SQLite has rolled the transaction back, as it does when the disk is full.
      break;
    }
    whole = Execute(connection, group[i]->status.ok() ? "RELEASE change" : "ROLLBACK TO change; RELEASE change");
  }
  if (!whole.ok()) return whole;
  const absl::Time begin = absl::Now();
  whole = Execute(connection, "COMMIT");
  metrics_->store_commit_seconds.Observe(absl::Now() - begin);
  return whole;
}

absl::Status SqliteJobStore::InsertEvents(JobKey key, const std::vector<v1::Event>& events) {
  int64_t bytes = 0;
  for (const v1::Event& event : events) {
    const std::string payload = EncodeEvent(event);
    bytes += static_cast<int64_t>(payload.size());
    insert_event_.Bind(1, key);
    insert_event_.Bind(2, event.sequence());
    insert_event_.Bind(3, int64_t{KindOf(event)});
    insert_event_.Bind(4, static_cast<int64_t>(event.step()));
    insert_event_.BindBytes(5, payload);
    if (absl::Status status = insert_event_.Run(); !status.ok()) return status;
    if (event.has_statistics()) thinner_.Added(key);
  }
  add_size_.Bind(1, key);
  add_size_.Bind(2, bytes);
  return add_size_.Run();
}

absl::Status SqliteJobStore::InsertRequest(const StoredRequest& request) {
  if (absl::Status status = ForgetRequests(request.create_time); !status.ok()) return status;
  insert_request_.Bind(1, request.request_id);
  insert_request_.Bind(2, request.method);
  insert_request_.Bind(3, request.resource);
  insert_request_.Bind(4, request.uid);
  insert_request_.Bind(5, request.fingerprint);
  insert_request_.Bind(6, absl::ToUnixSeconds(request.create_time));
  const absl::StatusOr<bool> inserted = insert_request_.Step();
  insert_request_.Reset();
  if (!inserted.ok()) return inserted.status();
  return *inserted ? absl::OkStatus() : absl::AlreadyExistsError("the request_id is taken");
}

absl::Status SqliteJobStore::MarkRequests(absl::string_view resource, absl::Time now) {
  mark_requests_.Bind(1, resource);
  mark_requests_.Bind(2, absl::ToUnixSeconds(now));
  if (absl::Status status = mark_requests_.Run(); !status.ok()) return status;
  return ForgetRequests(now);
}

absl::Status SqliteJobStore::ForgetRequests(absl::Time now) {
  forget_requests_.Bind(1, absl::ToUnixSeconds(now - kRequestLifetime));
  return forget_requests_.Run();
}

absl::StatusOr<JobKey> SqliteJobStore::CreateJob(const v1::Job& job, const std::vector<v1::Event>& events,
                                                 const StoredRequest* request) {
  JobKey key = 0;
  absl::Status status = Commit(Need::kMore, [&]() -> absl::Status {
    const std::string progress = Progress(job);
    const std::string record = Record(job);
    insert_job_.Bind(1, IdOf(job.name()));
    insert_job_.Bind(2, int64_t{job.state()});
    insert_job_.Bind(3, job.last_sequence());
    insert_job_.BindBytes(4, progress);
    insert_job_.BindBytes(5, record);
    if (absl::Status inserted = insert_job_.Run(); !inserted.ok()) return inserted;
    key = sqlite3_last_insert_rowid(writer_.get());
    insert_size_.Bind(1, key);
    insert_size_.Bind(2, job.owner());
    if (absl::Status inserted = insert_size_.Run(); !inserted.ok()) return inserted;
    if (request != nullptr) {
      if (absl::Status inserted = InsertRequest(*request); !inserted.ok()) return inserted;
    }
    return InsertEvents(key, events);
  });
  if (!status.ok()) return status;
  return key;
}

absl::Status SqliteJobStore::UpdateJob(JobKey key, const v1::Job& job, const std::vector<v1::Event>& events) {
  return Commit(Need::kMust, [&]() -> absl::Status {
    const std::string progress = Progress(job);
    const std::string record = Record(job);
    update_job_.Bind(1, key);
    update_job_.Bind(2, int64_t{job.state()});
    update_job_.Bind(3, job.last_sequence());
    update_job_.BindBytes(4, progress);
    update_job_.BindBytes(5, record);
    if (absl::Status updated = update_job_.Run(); !updated.ok()) return updated;
    if (IsTerminal(job.state())) thinner_.Forget(key);
    return InsertEvents(key, events);
  });
}

absl::Status SqliteJobStore::AppendEvents(JobKey key, const v1::Job& job, const std::vector<v1::Event>& events) {
  return Commit(Need::kMore, [&]() -> absl::Status {
    const std::string progress = Progress(job);
    update_progress_.Bind(1, key);
    update_progress_.Bind(2, job.last_sequence());
    update_progress_.BindBytes(3, progress);
    if (absl::Status updated = update_progress_.Run(); !updated.ok()) return updated;
    return InsertEvents(key, events);
  });
}

absl::Status SqliteJobStore::DeleteJob(JobKey key) {
  return Commit(Need::kMust, [&]() -> absl::Status {
    thinner_.Forget(key);
    job_name_.Bind(1, key);
    const absl::StatusOr<bool> there = job_name_.Step();
    const std::string name = there.value_or(false) ? std::string(job_name_.Bytes(0)) : "";
    job_name_.Reset();
    if (!there.ok()) return there.status();
    if (absl::Status status = MarkRequests(name, absl::Now()); !status.ok()) return status;
    cleaning_ = Cleaning::kEvents;
    remove_size_.Bind(1, key);
    if (absl::Status status = remove_size_.Run(); !status.ok()) return status;
    return Execute(writer_.get(),
                   absl::StrCat("INSERT OR IGNORE INTO doomed VALUES (", key, "); DELETE FROM jobs WHERE key = ", key));
  });
}

void SqliteJobStore::ThinReports(JobKey key) {
  Commit(Need::kMust, [&] {
    thinner_.Ended(key);
    return absl::OkStatus();
  }).IgnoreError();
}

absl::Status SqliteJobStore::PutRequest(const StoredRequest& request) {
  return Commit(Need::kMore, [&] { return InsertRequest(request); });
}

absl::Status SqliteJobStore::EndRequests(const std::string& resource, absl::Time now) {
  return Commit(Need::kMust, [&] { return MarkRequests(resource, now); });
}

}  // namespace traind::server
