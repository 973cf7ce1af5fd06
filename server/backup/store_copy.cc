#include "server/backup/store_copy.h"

#include <functional>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "server/store/checked_bytes.h"
#include "server/store/sqlite.h"

namespace traind::server {
namespace {

// Hands over the rows of a query.
absl::Status ForEachRow(sqlite3* connection, absl::string_view query,
                        const std::function<void(const Statement&)>& add) {
  auto statement = Statement::Prepare(connection, query);
  if (!statement.ok()) return statement.status();
  while (true) {
    auto row = statement->Step();
    if (!row.ok() || !*row) return row.status();
    add(*statement);
  }
}

absl::StatusOr<bool> HasTable(sqlite3* connection, absl::string_view name) {
  auto found = Number(connection,
                      absl::StrCat("SELECT COUNT(*) FROM sqlite_schema WHERE type = 'table' AND name = '", name, "'"));
  if (!found.ok()) return found.status();
  return *found > 0;
}

// A file that nobody else has open. SQLite looks for no log beside it.
absl::StatusOr<Connection> OpenAlone(const std::string& path) {
  const std::string escaped = absl::StrReplaceAll(path, {{"%", "%25"}, {"?", "%3f"}, {"#", "%23"}});
  return OpenConnection(absl::StrCat("file:", escaped, "?immutable=1"), SQLITE_OPEN_READONLY | SQLITE_OPEN_URI);
}

}  // namespace

absl::Status CopyStore(const std::string& from, const std::string& to) {
  auto source = OpenConnection(from, SQLITE_OPEN_READWRITE);
  if (!source.ok()) return source.status();
  auto target = OpenConnection(to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
  if (!target.ok()) return target.status();
  sqlite3_backup* backup = sqlite3_backup_init(target->get(), "main", source->get(), "main");
  if (backup == nullptr) return SqliteError(target->get(), absl::StrCat("cannot copy ", from));
  // All pages in one read transaction: what is written meanwhile goes to the log and is no part of the copy. In several
  // steps each write would begin the copy anew.
  sqlite3_backup_step(backup, -1);
  if (sqlite3_backup_finish(backup) != SQLITE_OK) return SqliteError(target->get(), absl::StrCat("cannot copy ", from));
  // One file, complete without a log.
  return Execute(target->get(), "PRAGMA journal_mode=DELETE");
}

absl::StatusOr<StoreContent> ReadStoreCopy(const std::string& path) {
  auto opened = OpenAlone(path);
  if (!opened.ok()) return opened.status();
  sqlite3* const connection = opened->get();
  const auto jobs = HasTable(connection, "jobs");
  if (!jobs.ok()) return jobs.status();
  if (!*jobs) return absl::FailedPreconditionError(absl::StrCat(path, " is no store of traind"));
  StoreContent content;
  const auto schema = Number(connection, "PRAGMA user_version");
  if (!schema.ok()) return schema.status();
  content.schema = *schema;
  absl::Status status = ForEachRow(
      connection, "SELECT id, state, progress, last_sequence FROM jobs ORDER BY id", [&](const Statement& row) {
        v1::JobProgress progress;
        const auto bytes = Checked(row.Bytes(2), absl::StrCat(row.Integer(3)));
        // A damaged record has no checkpoint that must be there.
        if (!bytes || !progress.ParseFromArray(bytes->data(), static_cast<int>(bytes->size()))) progress.Clear();
        content.jobs.push_back({.id = std::string(row.Bytes(0)),
                                .state = static_cast<v1::JobState>(row.Integer(1)),
                                .checkpoint_step = progress.checkpoint_step()});
      });
  for (const auto& [table, query, add] :
       {std::tuple<const char*, const char*, std::function<void(const Statement&)>>{
            "written_by", "SELECT version FROM written_by",
            [&](const Statement& row) { content.version = std::string(row.Bytes(0)); }},
        {"operations", "SELECT id FROM operations ORDER BY id",
         [&](const Statement& row) { content.operations.emplace_back(row.Bytes(0)); }}}) {
    const auto there = HasTable(connection, table);
    if (status.ok()) status = there.status();
    if (status.ok() && *there) status = ForEachRow(connection, query, add);
  }
  if (!status.ok()) return status;
  return content;
}

absl::Status CheckStoreCopy(const std::string& path) {
  auto opened = OpenAlone(path);
  if (!opened.ok()) return opened.status();
  std::string first;
  absl::Status status = ForEachRow(opened->get(), "PRAGMA integrity_check(1)",
                                   [&](const Statement& row) { first = std::string(row.Bytes(0)); });
  if (status.ok() && first != "ok") status = absl::DataLossError(absl::StrCat(path, ": ", first));
  return status;
}

}  // namespace traind::server
