#include "server/store/store_check.h"

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "server/store/sqlite.h"
#include "spdlog/spdlog.h"

namespace traind::server {
namespace {

constexpr int64_t kMostPagesToCheck = int64_t{1} << 14;  // 64 MiB.

// Empty: none. At most ten.
std::string Faults(sqlite3* connection) {
  auto check = Statement::Prepare(connection, "PRAGMA integrity_check(10)");
  if (!check.ok()) return std::string(check.status().message());
  std::string faults;
  absl::StatusOr<bool> row = check->Step();
  for (; row.ok() && *row; row = check->Step()) {
    if (check->Bytes(0) != "ok") absl::StrAppend(&faults, faults.empty() ? "" : "\n", check->Bytes(0));
  }
  if (!row.ok()) absl::StrAppend(&faults, faults.empty() ? "" : "\n", row.status().message());
  return faults;
}

}  // namespace

std::string CheckStructure(sqlite3* connection) {
  const auto pages = Number(connection, "PRAGMA page_count");
  if (pages.ok() && *pages > kMostPagesToCheck) return "";
  std::string faults = Faults(connection);
  if (faults.empty()) return faults;
  const absl::Status mended = Execute(connection, "REINDEX");
  const std::string left = mended.ok() ? Faults(connection) : faults;
  if (left.empty()) {
    spdlog::warn("indexes of the store were damaged and were made anew: {}", faults);
  } else {
    spdlog::error("the store is damaged, and something may be missing; what can be read is served: {}", left);
  }
  return faults;
}

}  // namespace traind::server
