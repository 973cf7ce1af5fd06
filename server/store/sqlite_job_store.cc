#include "server/store/sqlite_job_store.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/resources/names.h"
#include "server/store/sqlite_schema.h"

namespace traind::server {
namespace {

std::string Record(const v1::Job& job) {
  v1::Job record = job;
  record.clear_progress();
  record.clear_last_sequence();
  return record.SerializeAsString();
}

}  // namespace

absl::StatusOr<std::unique_ptr<SqliteJobStore>> SqliteJobStore::Open(const Options& options) {
  auto writer = OpenConnection(options.path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
  if (!writer.ok()) return writer.status();
  if (absl::Status status = PrepareFile(writer->get(), options.max_bytes); !status.ok()) {
    return absl::Status(status.code(), absl::StrCat(options.path, ": ", status.message()));
  }
  auto reader = OpenConnection(options.path, SQLITE_OPEN_READWRITE);
  if (!reader.ok()) return reader.status();
  auto store = std::unique_ptr<SqliteJobStore>(new SqliteJobStore(*std::move(writer), *std::move(reader)));
  if (absl::Status status = store->PrepareStatements(); !status.ok()) {
    return absl::Status(status.code(), absl::StrCat(options.path, ": ", status.message()));
  }
  store->writer_thread_ = std::thread([raw = store.get()] { raw->WriterLoop(); });
  return store;
}

absl::Status SqliteJobStore::PrepareStatements() {
  absl::MutexLock lock(&read_mu_);
  struct Entry {
    sqlite3* connection;
    Statement* statement;
    const char* sql;
  };
  const Entry entries[] = {
      {writer_.get(), &insert_job_,
       "INSERT INTO jobs (id, state, last_sequence, progress, record) VALUES (?1, ?2, ?3, ?4, ?5)"},
      {writer_.get(), &insert_request_, "INSERT INTO requests (request_id, job) VALUES (?1, ?2)"},
      {writer_.get(), &update_job_,
       "UPDATE jobs SET state = ?2, last_sequence = ?3, progress = ?4, record = ?5 WHERE key = ?1"},
      {writer_.get(), &update_progress_, "UPDATE jobs SET last_sequence = ?2, progress = ?3 WHERE key = ?1"},
      {writer_.get(), &insert_event_,
       "INSERT INTO events (job, sequence, kind, step, payload) VALUES (?1, ?2, ?3, ?4, ?5)"},
      {reader_.get(), &get_job_, "SELECT key, last_sequence, progress, record FROM jobs WHERE id = ?1"},
      {reader_.get(), &find_request_,
       "SELECT jobs.id FROM requests JOIN jobs ON jobs.key = requests.job WHERE request_id = ?1"},
      {reader_.get(), &list_jobs_,
       "SELECT key, last_sequence, progress, record FROM jobs WHERE key < ?1 AND (?2 >> state) & 1 "
       "ORDER BY key DESC"},
      {reader_.get(), &job_ids_, "SELECT id FROM jobs ORDER BY key"},
      {reader_.get(), &read_events_,
       "SELECT sequence, kind, payload FROM events WHERE job = ?1 AND sequence > ?2 ORDER BY sequence LIMIT ?3"},
      {reader_.get(), &find_event_,
       "SELECT payload FROM events WHERE job = ?1 AND kind = ?2 AND step = ?3 ORDER BY sequence DESC LIMIT 1"},
      {reader_.get(), &last_steps_, "SELECT kind, MAX(step) FROM events WHERE job = ?1 GROUP BY kind"},
  };
  for (const Entry& entry : entries) {
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

absl::Status SqliteJobStore::Commit(Change change) {
  Pending pending{.change = std::move(change), .status = absl::OkStatus()};
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
      mu_.Await(absl::Condition(&has_work));
      if (pending_.empty()) return;
      group.swap(pending_);
    }
    if (!CommitGroup(group) && group.size() > 1) {
      // One change may have taken the others down with it, for example by filling the disk.
      for (Pending* pending : group) CommitGroup({pending});
    }
    absl::MutexLock lock(&mu_);
    for (Pending* pending : group) pending->done = true;
  }
}

bool SqliteJobStore::CommitGroup(const std::vector<Pending*>& group) {
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
  if (whole.ok()) whole = Execute(connection, "COMMIT");
  if (whole.ok()) return true;
  if (!sqlite3_get_autocommit(connection)) sqlite3_exec(connection, "ROLLBACK", nullptr, nullptr, nullptr);
  for (Pending* pending : group) pending->status = whole;
  return false;
}

absl::Status SqliteJobStore::InsertEvents(JobKey key, const std::vector<v1::Event>& events) {
  for (const v1::Event& event : events) {
    const std::string payload = event.SerializeAsString();
    insert_event_.Bind(1, key);
    insert_event_.Bind(2, event.sequence());
    insert_event_.Bind(3, int64_t{KindOf(event)});
    insert_event_.Bind(4, static_cast<int64_t>(event.step()));
    insert_event_.BindBytes(5, payload);
    if (absl::Status status = insert_event_.Run(); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::StatusOr<JobKey> SqliteJobStore::CreateJob(const v1::Job& job, const std::vector<v1::Event>& events) {
  JobKey key = 0;
  absl::Status status = Commit([&]() -> absl::Status {
    const std::string progress = job.progress().SerializeAsString();
    const std::string record = Record(job);
    insert_job_.Bind(1, IdOf(job.name()));
    insert_job_.Bind(2, int64_t{job.state()});
    insert_job_.Bind(3, job.last_sequence());
    insert_job_.BindBytes(4, progress);
    insert_job_.BindBytes(5, record);
    if (absl::Status inserted = insert_job_.Run(); !inserted.ok()) return inserted;
    key = sqlite3_last_insert_rowid(writer_.get());
    if (!job.request_id().empty()) {
      insert_request_.Bind(1, job.request_id());
      insert_request_.Bind(2, key);
      if (absl::Status inserted = insert_request_.Run(); !inserted.ok()) return inserted;
    }
    return InsertEvents(key, events);
  });
  if (!status.ok()) return status;
  return key;
}

absl::Status SqliteJobStore::UpdateJob(JobKey key, const v1::Job& job, const std::vector<v1::Event>& events) {
  return Commit([&]() -> absl::Status {
    const std::string progress = job.progress().SerializeAsString();
    const std::string record = Record(job);
    update_job_.Bind(1, key);
    update_job_.Bind(2, int64_t{job.state()});
    update_job_.Bind(3, job.last_sequence());
    update_job_.BindBytes(4, progress);
    update_job_.BindBytes(5, record);
    if (absl::Status updated = update_job_.Run(); !updated.ok()) return updated;
    return InsertEvents(key, events);
  });
}

absl::Status SqliteJobStore::AppendEvents(JobKey key, const v1::Job& job, const std::vector<v1::Event>& events) {
  return Commit([&]() -> absl::Status {
    const std::string progress = job.progress().SerializeAsString();
    update_progress_.Bind(1, key);
    update_progress_.Bind(2, job.last_sequence());
    update_progress_.BindBytes(3, progress);
    if (absl::Status updated = update_progress_.Run(); !updated.ok()) return updated;
    return InsertEvents(key, events);
  });
}

absl::Status SqliteJobStore::DeleteJob(JobKey key) {
  return Commit([&]() -> absl::Status {
    return Execute(writer_.get(),
                   absl::StrCat("DELETE FROM events WHERE job = ", key, "; DELETE FROM requests WHERE job = ", key,
                                "; DELETE FROM jobs WHERE key = ", key));
  });
}

}  // namespace traind::server
