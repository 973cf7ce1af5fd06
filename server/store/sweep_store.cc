#include "server/store/sweep_store.h"

#include <limits>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "server/resources/names.h"
#include "server/store/checked_bytes.h"
#include "server/store/sqlite_schema.h"

namespace traind::server {
namespace {

// What the checksum of an entry is about.
std::string AboutEntry(SweepKey key, int64_t sequence) { return absl::StrCat(key, "\n", sequence); }

absl::Status DamagedEntry(int64_t sequence) {
  return absl::DataLossError(absl::StrCat(
      "entry ", sequence, " of the sweep's log is damaged on the server's disk; the sweep can be deleted"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<SweepStore>> SweepStore::Open(const std::string& path) {
  auto connection = OpenConnection(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
  if (!connection.ok()) return connection.status();
  if (absl::Status status = PrepareFile(connection->get(), 0); !status.ok()) {
    return absl::Status(status.code(), absl::StrCat(path, ": ", status.message()));
  }
  auto store = std::unique_ptr<SweepStore>(new SweepStore(*std::move(connection)));
  if (absl::Status status = store->Prepare(); !status.ok()) return status;
  return store;
}

absl::Status SweepStore::Prepare() {
  absl::MutexLock lock(&mu_);
  struct Entry {
    Statement* statement;
    const char* sql;
  };
  const Entry entries[] = {
      {&insert_, "INSERT INTO sweeps (id, request_id, fingerprint, record) VALUES (?1, nullif(?2, ''), ?3, ?4)"},
      {&update_, "UPDATE sweeps SET record = ?2 WHERE key = ?1"},
      {&remove_, "DELETE FROM sweeps WHERE key = ?1"},
      {&remove_entries_, "DELETE FROM sweep_entries WHERE sweep = ?1"},
      {&append_, "INSERT INTO sweep_entries (sweep, sequence, entry) VALUES (?1, ?2, ?3)"},
      {&get_, "SELECT key, record, id FROM sweeps WHERE id = ?1"},
      {&key_of_, "SELECT key FROM sweeps WHERE id = ?1"},
      {&find_request_, "SELECT id, fingerprint FROM sweeps WHERE request_id = ?1"},
      {&list_, "SELECT key, record, id FROM sweeps WHERE key < ?1 ORDER BY key DESC"},
      {&count_, "SELECT count(*) FROM sweeps"},
      {&entries_,
       "SELECT sequence, entry FROM sweep_entries WHERE sweep = ?1 AND sequence > ?2 ORDER BY sequence LIMIT ?3"},
  };
  for (const Entry& entry : entries) {
    auto statement = Statement::Prepare(connection_.get(), entry.sql);
    if (!statement.ok()) return statement.status();
    *entry.statement = *std::move(statement);
  }
  return absl::OkStatus();
}

absl::Status SweepStore::Change(const std::function<absl::Status()>& change) {
  absl::Status status = Execute(connection_.get(), "BEGIN IMMEDIATE");
  if (!status.ok()) return status;
  status = change();
  if (status.ok()) status = Execute(connection_.get(), "COMMIT");
  if (!status.ok() && sqlite3_get_autocommit(connection_.get()) == 0) {
    Execute(connection_.get(), "ROLLBACK").IgnoreError();
  }
  return status;
}

absl::Status SweepStore::PutRecord(SweepKey key, const v1::Sweep& sweep) {
  internal::SweepRecord record;
  *record.mutable_sweep() = sweep;
  const std::string bytes = WithChecksum(record.SerializeAsString());
  update_.Bind(1, key);
  update_.BindBytes(2, bytes);
  return update_.Run();
}

absl::StatusOr<SweepKey> SweepStore::Create(const v1::Sweep& sweep, const Request& request) {
  absl::MutexLock lock(&mu_);
  internal::SweepRecord record;
  *record.mutable_sweep() = sweep;
  const std::string bytes = WithChecksum(record.SerializeAsString());
  insert_.Bind(1, IdOf(sweep.name()));
  insert_.Bind(2, request.request_id);
  insert_.Bind(3, request.fingerprint);
  insert_.BindBytes(4, bytes);
  if (absl::Status status = insert_.Run(); !status.ok()) return status;
  return sqlite3_last_insert_rowid(connection_.get());
}

absl::Status SweepStore::Update(SweepKey key, const v1::Sweep& sweep) {
  absl::MutexLock lock(&mu_);
  return PutRecord(key, sweep);
}

absl::Status SweepStore::Delete(SweepKey key) {
  absl::MutexLock lock(&mu_);
  return Change([&]() ABSL_NO_THREAD_SAFETY_ANALYSIS -> absl::Status {
    remove_entries_.Bind(1, key);
    if (absl::Status status = remove_entries_.Run(); !status.ok()) return status;
    remove_.Bind(1, key);
    return remove_.Run();
  });
}

absl::Status SweepStore::Append(SweepKey key, const v1::SweepEntry& entry, const v1::Sweep* sweep) {
  absl::MutexLock lock(&mu_);
  const std::string bytes = WithChecksum(entry.SerializeAsString(), AboutEntry(key, entry.sequence()));
  const auto append = [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS -> absl::Status {
    append_.Bind(1, key);
    append_.Bind(2, entry.sequence());
    append_.BindBytes(3, bytes);
    if (absl::Status status = append_.Run(); !status.ok()) return status;
    return sweep == nullptr ? absl::OkStatus() : PutRecord(key, *sweep);
  };
  return Change(append);
}

absl::StatusOr<StoredSweep> SweepStore::SweepOf(const Statement& row) {
  const std::string name = absl::StrCat("sweeps/", row.Bytes(2));
  internal::SweepRecord record;
  const auto bytes = Checked(row.Bytes(1));
  if (!bytes.has_value() || !record.ParseFromArray(bytes->data(), static_cast<int>(bytes->size())) ||
      record.sweep().name() != name) {
    return absl::DataLossError(absl::StrCat("the record of ", name, " is damaged; it can be deleted"));
  }
  return StoredSweep{.key = row.Integer(0), .sweep = std::move(*record.mutable_sweep())};
}

absl::StatusOr<StoredSweep> SweepStore::Get(const std::string& id) {
  absl::MutexLock lock(&mu_);
  absl::Cleanup reset = [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { get_.Reset(); };
  get_.Bind(1, id);
  const auto row = get_.Step();
  if (!row.ok()) return row.status();
  if (!*row) return NotFoundError("Sweep", absl::StrCat("sweeps/", id));
  return SweepOf(get_);
}

absl::StatusOr<SweepKey> SweepStore::KeyOf(const std::string& id) {
  absl::MutexLock lock(&mu_);
  absl::Cleanup reset = [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { key_of_.Reset(); };
  key_of_.Bind(1, id);
  const auto row = key_of_.Step();
  if (!row.ok()) return row.status();
  if (!*row) return NotFoundError("Sweep", absl::StrCat("sweeps/", id));
  return key_of_.Integer(0);
}

absl::StatusOr<std::optional<SweepStore::Made>> SweepStore::FindRequest(const std::string& request_id) {
  if (request_id.empty()) return std::nullopt;
  absl::MutexLock lock(&mu_);
  absl::Cleanup reset = [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { find_request_.Reset(); };
  find_request_.Bind(1, request_id);
  const auto row = find_request_.Step();
  if (!row.ok()) return row.status();
  if (!*row) return std::nullopt;
  return Made{.id = std::string(find_request_.Bytes(0)), .fingerprint = std::string(find_request_.Bytes(1))};
}

absl::Status SweepStore::List(SweepKey before, const std::function<bool(StoredSweep)>& add,
                              const std::function<void(std::string name)>& damaged) {
  absl::MutexLock lock(&mu_);
  absl::Cleanup reset = [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { list_.Reset(); };
  list_.Bind(1, before > 0 ? before : std::numeric_limits<int64_t>::max());
  while (true) {
    const auto row = list_.Step();
    if (!row.ok()) return row.status();
    if (!*row) return absl::OkStatus();
    auto sweep = SweepOf(list_);
    if (!sweep.ok()) {
      if (damaged != nullptr) damaged(absl::StrCat("sweeps/", list_.Bytes(2)));
      continue;
    }
    if (!add(*std::move(sweep))) return absl::OkStatus();
  }
}

absl::StatusOr<int64_t> SweepStore::Count() {
  absl::MutexLock lock(&mu_);
  absl::Cleanup reset = [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { count_.Reset(); };
  const auto row = count_.Step();
  if (!row.ok()) return row.status();
  return count_.Integer(0);
}

absl::StatusOr<std::vector<v1::SweepEntry>> SweepStore::ReadEntries(SweepKey key, int64_t after, int64_t count) {
  absl::MutexLock lock(&mu_);
  absl::Cleanup reset = [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { entries_.Reset(); };
  entries_.Bind(1, key);
  entries_.Bind(2, after);
  entries_.Bind(3, count > 0 ? count : std::numeric_limits<int64_t>::max());
  std::vector<v1::SweepEntry> entries;
  while (true) {
    const auto row = entries_.Step();
    if (!row.ok()) return row.status();
    if (!*row) return entries;
    const int64_t sequence = entries_.Integer(0);
    const auto bytes = Checked(entries_.Bytes(1), AboutEntry(key, sequence));
    v1::SweepEntry entry;
    if (!bytes.has_value() || !entry.ParseFromArray(bytes->data(), static_cast<int>(bytes->size()))) {
      return DamagedEntry(sequence);
    }
    entries.push_back(std::move(entry));
  }
}

}  // namespace traind::server
