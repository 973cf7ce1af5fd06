// The schema of the job store's file, and how a file of an older traind comes to it. The caller owns the connection;
// only the calling thread uses it meanwhile.
//
// Adding a schema: one more step at the end of the list in sqlite_schema.cc, with the next number. A step that was in a
// release is never changed, and the table written_by stays: what refuses a newer file reads it.
#pragma once

#include <sqlite3.h>

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace traind::server {

// Brings a file from the schema before to `schema`.
struct Migration {
  int64_t schema;
  const char* sql;
};

// All of them, in order, from an empty file on.
absl::Span<const Migration> Migrations();

// Makes the file ready: WAL, at most `max_bytes` (0: any size), the newest schema. Errors as Migrate's.
absl::Status PrepareFile(sqlite3* connection, int64_t max_bytes);

// Runs the steps that the file has not had, and notes `version` as the traind that writes it from now on, all in one
// transaction: a failure leaves the file as it was. FAILED_PRECONDITION, which names the version to use: the file's
// schema is newer than the last step.
absl::Status Migrate(sqlite3* connection, absl::Span<const Migration> migrations, absl::string_view version);

}  // namespace traind::server
