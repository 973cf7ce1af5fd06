#include "server/store/sqlite_schema.h"

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "server/store/sqlite.h"
#include "spdlog/spdlog.h"
#include "traind/version.h"

namespace traind::server {
namespace {

constexpr int64_t kPageSize = 4096;                       // SQLite's default.
constexpr int64_t kLongestLog = int64_t{16} << 20;        // Of a write-ahead log that stays after it was written out.
constexpr int64_t kMostPagesToVacuum = int64_t{1} << 16;  // 256 MiB: some seconds.

constexpr Migration kMigrations[] = {
    // jobs.record is the v1::Job without progress and last_sequence, which change with each commit of events and have
    // columns of their own. AUTOINCREMENT: a key is the order of arrival and is never given twice.
    {1, R"sql(
      CREATE TABLE jobs (
        key INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        state INTEGER NOT NULL,
        last_sequence INTEGER NOT NULL,
        progress BLOB NOT NULL,
        record BLOB NOT NULL
      );
      CREATE TABLE requests (
        request_id TEXT PRIMARY KEY,
        job INTEGER NOT NULL
      ) WITHOUT ROWID;
      CREATE INDEX requests_by_job ON requests (job);
      CREATE TABLE events (
        job INTEGER NOT NULL,
        sequence INTEGER NOT NULL,
        kind INTEGER NOT NULL,
        step INTEGER NOT NULL,
        payload BLOB NOT NULL
      );
      CREATE UNIQUE INDEX events_by_sequence ON events (job, sequence);
      CREATE INDEX events_by_step ON events (job, kind, step);
    )sql"},
    // One row: the traind that opened the file last.
    {2, R"sql(
      CREATE TABLE written_by (
        only INTEGER PRIMARY KEY CHECK (only = 1),
        version TEXT NOT NULL
      );
    )sql"},
    // Requests of every kind (server/resources/request_id.h), times in seconds since 1970; delete_time is NULL while
    // the resource is there. Of those that schema 1 kept the fingerprint is not known.
    {3, R"sql(
      CREATE TABLE request_ids (
        request_id TEXT PRIMARY KEY,
        method TEXT NOT NULL,
        resource TEXT NOT NULL,
        uid TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        create_time INTEGER NOT NULL,
        delete_time INTEGER
      ) WITHOUT ROWID;
      CREATE INDEX request_ids_by_resource ON request_ids (resource);
      CREATE INDEX request_ids_by_delete_time ON request_ids (delete_time);
      INSERT INTO request_ids
        SELECT request_id, 'CreateJob', 'jobs/' || id, '', '', CAST(strftime('%s', 'now') AS INTEGER), NULL
        FROM requests JOIN jobs ON jobs.key = requests.job;
      DROP TABLE requests;
    )sql"},
    // operations.record is an internal::OperationRecord.
    {4, R"sql(
      CREATE TABLE operations (
        key INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        record BLOB NOT NULL
      );
    )sql"},
    // Nothing to do: from here on a payload may be compressed (event_codec.h), and a report of statistics may be
    // thinned,
    // with another kind (statistics_thinner.h).
    {5, ""},
    // Jobs that were deleted and whose events are still to go.
    {6, R"sql(
      CREATE TABLE doomed (job INTEGER PRIMARY KEY);
    )sql"},
    // Who is let in (server/accounts/account_store.h): role is a v1::Role, times are seconds since 1970, 0 for never,
    // hash is the token's SHA-256.
    {7, R"sql(
      CREATE TABLE users (
        name TEXT PRIMARY KEY,
        role INTEGER NOT NULL,
        create_time INTEGER NOT NULL
      ) WITHOUT ROWID;
      CREATE TABLE tokens (
        id TEXT PRIMARY KEY,
        user TEXT NOT NULL,
        description TEXT NOT NULL,
        create_time INTEGER NOT NULL,
        expire_time INTEGER NOT NULL,
        last_use_time INTEGER NOT NULL,
        revoke_time INTEGER NOT NULL,
        hash BLOB NOT NULL
      ) WITHOUT ROWID;
      CREATE INDEX tokens_by_user ON tokens (user);
    )sql"},
    // Quotas: users.quota is a v1::Quota of what the user has instead of the server's; event_sizes has what the events
    // of each job take, those of jobs that were made before left out.
    {8, R"sql(
      ALTER TABLE users ADD COLUMN quota BLOB NOT NULL DEFAULT x'';
      ALTER TABLE users ADD COLUMN weight INTEGER NOT NULL DEFAULT 1;
      CREATE TABLE event_sizes (
        job INTEGER PRIMARY KEY,
        owner TEXT NOT NULL,
        bytes INTEGER NOT NULL
      );
    )sql"},
    // Nothing to do: from here on records, payloads, users and tokens may carry checksums (checked_bytes.h): in
    // users.quota and tokens.hash, of the whole row but a token's last use.
    {9, ""},
    // Sweeps (sweep_store.h): record is an internal::SweepRecord, entry a v1::SweepEntry. What a call with a request_id
    // has made is remembered here; when that is deleted, among the other requests.
    {10, R"sql(
      CREATE TABLE sweeps (
        key INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        request_id TEXT UNIQUE,
        fingerprint TEXT NOT NULL,
        record BLOB NOT NULL
      );
      CREATE TABLE sweep_entries (
        sweep INTEGER NOT NULL,
        sequence INTEGER NOT NULL,
        entry BLOB NOT NULL,
        PRIMARY KEY (sweep, sequence)
      ) WITHOUT ROWID;
    )sql"},
};

// "traind 0.3.0", as far as the file says it.
std::string Writer(sqlite3* connection) {
  auto statement = Statement::Prepare(connection, "SELECT version FROM written_by");
  if (!statement.ok() || !statement->Step().value_or(false)) return "a newer traind";
  return absl::StrCat("traind ", statement->Bytes(0));
}

absl::Status NoteWriter(sqlite3* connection, absl::string_view version) {
  auto statement = Statement::Prepare(connection,
                                      "INSERT INTO written_by VALUES (1, ?1) ON CONFLICT DO UPDATE "
                                      "SET version = excluded.version WHERE version <> excluded.version");
  if (!statement.ok()) return statement.status();
  statement->Bind(1, version);
  return statement->Run();
}

absl::Status RunMissing(sqlite3* connection, absl::Span<const Migration> migrations, int64_t found,
                        absl::string_view version) {
  for (const Migration& migration : migrations) {
    if (migration.schema <= found) continue;
    const std::string step = absl::StrCat(migration.sql, "PRAGMA user_version=", migration.schema, ";");
    if (absl::Status status = Execute(connection, step); !status.ok()) return status;
  }
  return NoteWriter(connection, version);
}

// A file that was made before version 0.3 does not get shorter until it was written anew, once. Where that takes long,
// or more room than there is, it stays as it is: what is deleted is then room for new events.
absl::Status LetItShrink(sqlite3* connection) {
  const auto shrinks = Number(connection, "PRAGMA auto_vacuum");
  const auto pages = Number(connection, "PRAGMA page_count");
  if (!shrinks.ok()) return shrinks.status();
  if (!pages.ok()) return pages.status();
  if (*shrinks != 0) return absl::OkStatus();
  if (*pages > kMostPagesToVacuum) {
    spdlog::warn(
        "the store has {} MiB and does not get shorter when jobs are deleted; once, without a server: sqlite3 {} "
        "'PRAGMA auto_vacuum=INCREMENTAL; VACUUM'",
        *pages * kPageSize >> 20, sqlite3_db_filename(connection, "main"));
    return absl::OkStatus();
  }
  if (absl::Status status = Execute(connection, "VACUUM"); !status.ok()) {
    spdlog::warn("the store does not get shorter when jobs are deleted, for now: {}", std::string(status.message()));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Span<const Migration> Migrations() { return kMigrations; }

absl::Status Migrate(sqlite3* connection, absl::Span<const Migration> migrations, absl::string_view version) {
  const auto found = Number(connection, "PRAGMA user_version");
  if (!found.ok()) return found.status();
  const int64_t known = migrations.back().schema;
  if (*found > known) {
    return absl::FailedPreconditionError(absl::StrCat("was written by ", Writer(connection), " (schema ", *found,
                                                      ", this one knows ", known, "); use that version"));
  }
  absl::Status status = Execute(connection, "BEGIN IMMEDIATE");
  if (!status.ok()) return status;
  status = RunMissing(connection, migrations, *found, version);
  if (status.ok()) status = Execute(connection, "COMMIT");
  // SQLite has rolled back by itself when the disk is full.
  if (!status.ok() && !sqlite3_get_autocommit(connection)) Execute(connection, "ROLLBACK").IgnoreError();
  return status;
}

absl::Status PrepareFile(sqlite3* connection, int64_t max_bytes) {
  const auto shrinks = Number(connection, "PRAGMA auto_vacuum");
  if (!shrinks.ok()) return shrinks.status();
  // It counts before the first table is made, or at the next VACUUM.
  absl::Status status = *shrinks != 0 ? absl::OkStatus() : Execute(connection, "PRAGMA auto_vacuum=INCREMENTAL");
  if (status.ok()) {
    status = Execute(
        connection,
        absl::StrCat("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA journal_size_limit=", kLongestLog));
  }
  if (status.ok() && max_bytes > 0) {
    status = Execute(connection, absl::StrCat("PRAGMA max_page_count=", max_bytes / kPageSize, ";"));
  }
  if (status.ok()) status = Migrate(connection, Migrations(), kVersion);
  return status.ok() ? LetItShrink(connection) : status;
}

}  // namespace traind::server
