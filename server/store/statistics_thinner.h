// Thins the statistics of running jobs in the store's file, a little at a time (thinning.h has the rule). Reports
// behind the newest checkpoint, which a resume may bring again, are left alone. Of a job that has ended so long ago
// that a rule of retention says so, the first and the last one stay whole. Used by the store's writer thread only.
//
// A thinned report has another number in the column `kind`, so that those that are whole are found by the index.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/store/job_store.h"
#include "server/store/sqlite.h"
#include "server/store/thinning.h"

namespace traind::server {

// What stands in the column `kind` instead of EVENT_KIND_STATISTICS.
inline constexpr int64_t kKindThinned = 100 + v1::EVENT_KIND_STATISTICS;         // Nothing is left but its place.
inline constexpr int64_t kKindThinnedExtreme = 200 + v1::EVENT_KIND_STATISTICS;  // Some layers or tensors are left.
// The event's kind; UNSPECIFIED where the column holds none, in a damaged file.
inline v1::EventKind KindOfColumn(int64_t column) {
  if (column == kKindThinned || column == kKindThinnedExtreme) return v1::EVENT_KIND_STATISTICS;
  const bool known = column >= v1::EventKind_MIN && column <= v1::EventKind_MAX;
  return known ? static_cast<v1::EventKind>(column) : v1::EVENT_KIND_UNSPECIFIED;
}

// Adds ?2 to what the events of the job ?1 take.
inline constexpr char kAddEventBytes[] = "UPDATE event_sizes SET bytes = bytes + ?2 WHERE job = ?1";

class StatisticsThinner {
 public:
  // The connection outlives this.
  absl::Status Prepare(sqlite3* connection);

  // A report of the job was stored, or is about to be.
  void Added(JobKey job);
  // All reports of the job are as old as can be. Once.
  void Ended(JobKey job);
  // The job has ended, or is gone: nothing more is thinned.
  void Forget(JobKey job);

  bool has_work() const { return pass_.has_value() || !due_.empty(); }
  // Some milliseconds of the work, in a transaction of its own. What fails is left for later.
  void DoSome();

 private:
  // What is known of a job while it runs.
  struct JobState {
    int64_t added = kFirstPass;  // Reports since the last pass.
    Extremes extremes;
    bool read_thinned = false;  // Whether what earlier servers left of thinned reports is among the extremes.
    int64_t read_step = -1;     // Whole reports up to this step are.
    bool ended = false;         // See Ended.
  };
  // One way through the reports of a job: first what is new, for the extremes, then all whole ones, oldest first.
  struct Pass {
    JobKey job = 0;
    int64_t newest = 0;  // The newest event.
    int64_t end = 0;     // Only reports before this event may be thinned.
    int64_t kind = 0;    // That is being read; 0: done.
    int64_t step = -1;   // The last one looked at.
    int64_t length = 0;  // Of the block of the last report that stays.
    int64_t block = 0;   // Its number.
  };
  struct Row {
    int64_t id;
    int64_t sequence;
    int64_t step;
  };
  static constexpr int64_t kPassEvery = 256;              // Reports.
  static constexpr int64_t kFirstPass = kPassEvery - 16;  // Soon after a start: servers may be short-lived.

  absl::StatusOr<Pass> Begin(JobKey job);
  absl::Status ReadExtremes(Pass& pass, JobState& state);
  absl::Status ThinSome(Pass& pass, const Extremes& extremes);
  void EndPass();
  absl::StatusOr<std::vector<Row>> Rows(JobKey job, int64_t kind, int64_t after_step, int64_t limit);
  // With `bytes`, those of its payload. Nullopt: damaged.
  absl::StatusOr<std::optional<v1::Event>> Read(int64_t id, int64_t* bytes = nullptr);
  absl::Status Thin(JobKey job, const Row& row, const Extremes& extremes);
  absl::StatusOr<int64_t> Number(Statement& statement, JobKey job);
  absl::Status Step();

  sqlite3* connection_ = nullptr;
  Statement newest_, newest_checkpoint_, newest_report_, rows_, read_, remove_, insert_, add_size_;
  std::map<JobKey, JobState> jobs_;
  std::deque<JobKey> due_;
  std::optional<Pass> pass_;
};

}  // namespace traind::server
