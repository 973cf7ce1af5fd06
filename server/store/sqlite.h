// The little of SQLite that the store needs, with its errors as absl::Status. Thread-compatible: one thread at a time
// for each connection.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace traind::server {

// The connection's last error: RESOURCE_EXHAUSTED for a full disk, DATA_LOSS for a damaged file, ALREADY_EXISTS for a
// broken unique constraint, UNAVAILABLE for a lock or an I/O error, else INTERNAL. The message starts with `doing`.
absl::Status SqliteError(sqlite3* connection, absl::string_view doing);

struct CloseConnection {
  void operator()(sqlite3* connection) const { sqlite3_close_v2(connection); }
};
using Connection = std::unique_ptr<sqlite3, CloseConnection>;

absl::StatusOr<Connection> OpenConnection(const std::string& path, int flags);

// Runs statements that give no rows.
absl::Status Execute(sqlite3* connection, const std::string& sql);

// The number that the query gives.
absl::StatusOr<int64_t> Number(sqlite3* connection, absl::string_view query);

// A prepared statement, used again and again; it must not outlive its connection.
//   insert.Bind(1, id); insert.Bind(2, bytes); insert.Run();
class Statement {
 public:
  Statement() = default;
  static absl::StatusOr<Statement> Prepare(sqlite3* connection, absl::string_view sql);

  void Bind(int index, int64_t value) { sqlite3_bind_int64(statement_.get(), index, value); }
  // The text must stay until Reset.
  void Bind(int index, absl::string_view text);
  void BindBytes(int index, absl::string_view bytes);

  // True: there is a row; false: the end.
  absl::StatusOr<bool> Step();
  // Runs to the end and resets.
  absl::Status Run();
  void Reset();

  int64_t Integer(int column) const { return sqlite3_column_int64(statement_.get(), column); }
  // Valid until the next Step or Reset.
  absl::string_view Bytes(int column) const;

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

}  // namespace traind::server
