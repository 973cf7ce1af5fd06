#include "server/store/sqlite.h"

#include <fcntl.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"

namespace traind::server {

absl::Status SqliteError(sqlite3* connection, absl::string_view doing) {
  const int code = sqlite3_extended_errcode(connection);
  const std::string message = absl::StrCat(doing, ": ", sqlite3_errmsg(connection));
  if (code == SQLITE_CONSTRAINT_UNIQUE || code == SQLITE_CONSTRAINT_PRIMARYKEY) {
    return absl::AlreadyExistsError(message);
  }
  switch (code & 0xff) {
    case SQLITE_FULL:
      return absl::ResourceExhaustedError(absl::StrCat(message, "; free some space on the server's disk"));
    case SQLITE_NOMEM:
      return absl::ResourceExhaustedError(message);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::DataLossError(message);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
      return absl::UnavailableError(message);
    default:
      return absl::InternalError(message);
  }
}

absl::StatusOr<Connection> OpenConnection(const std::string& path, int flags) {
  // SQLite gives the files beside it the mode of this one, which is to be its owner's alone. Only a new one: to close a
  // descriptor of a file is to drop the locks that the process has on it.
  if ((flags & SQLITE_OPEN_CREATE) != 0) {
    if (const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600); fd >= 0) close(fd);
  }
  sqlite3* raw = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &raw, flags | SQLITE_OPEN_NOMUTEX, nullptr);
  Connection connection(raw);
  if (raw == nullptr) return absl::ResourceExhaustedError("no memory to open the store");
  if (code != SQLITE_OK) return SqliteError(raw, absl::StrCat("cannot open ", path));
  sqlite3_extended_result_codes(raw, 1);
  sqlite3_busy_timeout(raw, 5000);
  return connection;
}

absl::Status Execute(sqlite3* connection, const std::string& sql) {
  if (sqlite3_exec(connection, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) {
    return SqliteError(connection, "the store failed");
  }
  return absl::OkStatus();
}

absl::StatusOr<Statement> Statement::Prepare(sqlite3* connection, absl::string_view sql) {
  sqlite3_stmt* raw = nullptr;
  if (sqlite3_prepare_v3(connection, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT, &raw,
                         nullptr) != SQLITE_OK) {
    return SqliteError(connection, "the store failed");
  }
  Statement statement;
  statement.statement_.reset(raw);
  return statement;
}

void Statement::Bind(int index, absl::string_view text) {
  sqlite3_bind_text(statement_.get(), index, text.data(), static_cast<int>(text.size()), SQLITE_STATIC);
}

void Statement::BindBytes(int index, absl::string_view bytes) {
  // A null pointer would bind NULL instead of no bytes.
  sqlite3_bind_blob64(statement_.get(), index, bytes.empty() ? "" : bytes.data(), bytes.size(), SQLITE_STATIC);
}

absl::StatusOr<bool> Statement::Step() {
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return SqliteError(sqlite3_db_handle(statement_.get()), "the store failed");
}

absl::Status Statement::Run() {
  absl::StatusOr<bool> row = Step();
  while (row.ok() && *row) row = Step();
  Reset();
  return row.status();
}

void Statement::Reset() {
  sqlite3_reset(statement_.get());
  sqlite3_clear_bindings(statement_.get());
}

absl::string_view Statement::Bytes(int column) const {
  const void* data = sqlite3_column_blob(statement_.get(), column);
  return {static_cast<const char*>(data), static_cast<size_t>(sqlite3_column_bytes(statement_.get(), column))};
}

absl::StatusOr<int64_t> Number(sqlite3* connection, absl::string_view query) {
  auto statement = Statement::Prepare(connection, query);
  if (!statement.ok()) return statement.status();
  if (auto row = statement->Step(); !row.ok()) return row.status();
  return statement->Integer(0);
}

}  // namespace traind::server
