// What the store's writer does beside changes: removes the events of deleted jobs, makes the file shorter, and keeps
// the write-ahead log short.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/store/sqlite_job_store.h"
#include "spdlog/spdlog.h"

namespace traind::server {
namespace {

// So long may a piece hold up a change.
constexpr absl::Duration kPiece = absl::Milliseconds(20);
constexpr int64_t kMostEventsAtOnce = 4096;
constexpr int kPagesAtOnce = 512;
// As SQLite's own rule has it.
constexpr int kPagesToWrite = 1000;
// Readers have kept the log from beginning anew: wait for them.
constexpr int kPagesToWaitFor = 8000;
constexpr absl::Duration kRetry = absl::Seconds(1);

}  // namespace

void SqliteJobStore::CleanSome() {
  const absl::Status status = cleaning_ == Cleaning::kEvents ? RemoveSomeEvents() : ShortenFile();
  if (!status.ok()) {
    spdlog::error("what was deleted takes room still: {}", std::string(status.message()));
    clean_after_ = absl::Now() + kRetry;
  }
  BoundLog();
}

absl::Status SqliteJobStore::RemoveSomeEvents() {
  const absl::StatusOr<bool> found = next_doomed_.Step();
  const JobKey key = found.value_or(false) ? next_doomed_.Integer(0) : 0;
  next_doomed_.Reset();
  if (!found.ok()) return found.status();
  if (!*found) {
    cleaning_ = Cleaning::kFile;
    return absl::OkStatus();
  }
  const absl::Time begin = absl::Now();
  Pending piece{.change = [&]() -> absl::Status {
                  remove_events_.Bind(1, key);
                  remove_events_.Bind(2, events_at_once_);
                  if (absl::Status status = remove_events_.Run(); !status.ok()) return status;
                  if (sqlite3_changes(writer_.get()) == events_at_once_) return absl::OkStatus();
                  return Execute(writer_.get(), absl::StrCat("DELETE FROM doomed WHERE job = ", key));
                },
                .need = Need::kMust,
                .status = absl::OkStatus()};
  CommitAlone(piece);
  const absl::Duration took = absl::Now() - begin;
  events_at_once_ = took > kPiece ? std::max<int64_t>(events_at_once_ / 2, 1)
                                  : std::min<int64_t>(events_at_once_ * 2, kMostEventsAtOnce);
  return piece.status;
}

absl::Status SqliteJobStore::ShortenFile() {
  auto free_pages = Number(writer_.get(), "PRAGMA freelist_count");
  if (!free_pages.ok()) return free_pages.status();
  auto shortens = Number(writer_.get(), "PRAGMA auto_vacuum");
  if (!shortens.ok()) return shortens.status();
  constexpr int64_t kIncremental = 2;
  if (*free_pages > 0 && *shortens == kIncremental) {
    return Execute(writer_.get(), absl::StrCat("PRAGMA incremental_vacuum(", kPagesAtOnce, ")"));
  }
  cleaning_ = Cleaning::kDone;
  log_pages_ = 0;
  return Execute(writer_.get(), "PRAGMA wal_checkpoint(TRUNCATE)");
}

void SqliteJobStore::BoundLog() {
  if (log_pages_ < kPagesToWrite) return;
  const char* sql = log_pages_ < kPagesToWaitFor ? "PRAGMA wal_checkpoint(PASSIVE)" : "PRAGMA wal_checkpoint(RESTART)";
  if (absl::Status status = Execute(writer_.get(), sql); !status.ok()) {
    spdlog::warn("the store's log gets longer: {}", std::string(status.message()));
  }
  log_pages_ = 0;
}

}  // namespace traind::server
