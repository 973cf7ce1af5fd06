// What is in the data folder and in the store, thing by thing, with owners and bytes: for whoever asks who uses the
// disk, and for the rules of retention.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/resources/caller.h"
#include "server/services/backend.h"
#include "server/store/disk_reserve.h"
#include "traind/v1/server_service.pb.h"

namespace traind::server {

struct Holding {
  v1::StorageKind kind = v1::STORAGE_KIND_UNSPECIFIED;
  std::string name = "";   // "jobs/a" also of a job's files and events; "jobs/a/checkpoints/7"; "trash/{folder}".
  std::string owner = "";  // Empty: nobody.
  int64_t count = 1;
  int64_t bytes = 0;
  absl::Time time = absl::InfiniteFuture();        // When it came to rest; InfiniteFuture: it has not, or nobody knows.
  v1::JobState state = v1::JOB_STATE_UNSPECIFIED;  // Of the job it is of.
  bool pinned = false;
  bool starts_another = false;  // A job that there is was begun with it, or forked from it.
  int64_t reports = 0;          // Of EVENTS: whole reports of statistics, ...
  int64_t report_bytes = 0;     // ... and what they take.
  JobKey job = 0;               // Of a job's things.
  std::string etag = "";        // Of jobs, models and uploads.
};

// Its own owner's, and of administrators everything: trash and the database are nobody else's.
bool MaySee(const Caller& caller, const Holding& holding);

struct Inventory {
  std::vector<Holding> holdings;  // Those of a job in a row: the job, its events, its checkpoints by step.
  bool incomplete = false;        // The deadline came first: the bytes of some are not counted.
};

// Thread-safe; what is given to it outlives it.
class StorageCounter {
 public:
  StorageCounter(const Backend& backend, DiskReserve* reserve) : backend_(backend), reserve_(reserve) {}

  struct Scope {
    absl::Time deadline;
    bool jobs = true;                      // False: nothing of jobs is counted.
    std::function<bool()> stop = nullptr;  // Asked often; true is as a deadline that has come.
  };
  // What the events of a job take is remembered until there are more.
  absl::StatusOr<Inventory> Count(const Scope& scope);
  // The events of a job have become smaller.
  void Forget(JobKey job);

  // By owner and kind, with the disk. Only the caller's own, if that is no administrator.
  v1::Storage Summarize(const Inventory& inventory, const Caller& caller) const;

 private:
  struct Counted {
    int64_t last_sequence = 0;
    JobStore::EventUse use;
  };
  class Counting;
  absl::StatusOr<JobStore::EventUse> EventsOf(JobKey job, int64_t last_sequence, bool may_read, bool* counted);

  const Backend backend_;
  DiskReserve* const reserve_;
  absl::Mutex mu_;
  std::map<JobKey, Counted> events_ ABSL_GUARDED_BY(mu_);
};

}  // namespace traind::server
