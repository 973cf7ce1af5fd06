// How watchers learn of events. The store is the truth; this wakes the watchers and keeps the newest events of live
// jobs in memory, once for all watchers, so that a crowd costs no reads. Events come here after they are durable.
// A watcher holds no queue: it reads at its own pace, from the cache or, when it is behind, from the store.
// Thread-safe.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "server/store/job_store.h"
#include "server/telemetry/metrics.h"

namespace traind::server {

class EventLog {
 public:
  // `store` and `metrics` outlive this. `cache_bytes` bounds the events kept for one job.
  explicit EventLog(JobStore* store, int64_t cache_bytes = 1 << 20, Metrics* metrics = Metrics::Unread())
      : store_(store), cache_bytes_(cache_bytes), metrics_(metrics) {}

  // Announces events just stored, in order. After the event of a terminal state nothing more comes for the job, unless
  // a person makes it live again.
  void Publish(JobKey key, const std::vector<v1::Event>& events);
  // The job was deleted: its watchers are woken and find nothing.
  void Remove(JobKey key);
  // The server stops: all watchers are woken, and closed() is true from now on.
  void Close();
  bool closed() const;

  // As JobStore::ReadEvents. NOT_FOUND: the job was deleted.
  absl::StatusOr<JobStore::EventBatch> Read(JobKey key, const JobStore::ReadOptions& options);

  // Calls `wake` after each Publish, Remove and Close for the job, until Unsubscribe has returned. `wake` must be quick
  // and must not call back into this object.
  int64_t Subscribe(JobKey key, std::function<void()> wake);
  void Unsubscribe(JobKey key, int64_t subscription);

 private:
  struct Channel {
    std::deque<std::shared_ptr<const v1::Event>> recent;  // Consecutive, up to the newest.
    int64_t bytes = 0;
    std::map<int64_t, std::function<void()>> watchers;
    bool deleted = false;
  };

  JobStore* const store_;
  const int64_t cache_bytes_;
  Metrics* const metrics_;
  mutable absl::Mutex mu_;
  std::map<JobKey, Channel> channels_ ABSL_GUARDED_BY(mu_);
  int64_t next_subscription_ ABSL_GUARDED_BY(mu_) = 1;
  bool closed_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace traind::server
