// What the scheduler saw when it last looked, for those who ask why a job waits. Thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "server/scheduler/scheduler.h"
#include "traind/v1/job.pb.h"

namespace traind::server {

class QueueView {
 public:
  explicit QueueView(const Capacity& capacity) : capacity_(capacity) {}

  void Set(std::vector<JobSnapshot> jobs, Owners owners, int64_t task_memory);
  // Of a job that waits; empty: it does not, or came since. All are worked out when the first is asked for.
  std::optional<v1::QueueStatus> Find(int64_t key);

 private:
  const Capacity capacity_;
  absl::Mutex mu_;
  std::vector<JobSnapshot> jobs_ ABSL_GUARDED_BY(mu_);
  Owners owners_ ABSL_GUARDED_BY(mu_);
  int64_t task_memory_ ABSL_GUARDED_BY(mu_) = 0;
  std::optional<std::map<int64_t, v1::QueueStatus>> explained_ ABSL_GUARDED_BY(mu_);
};

}  // namespace traind::server
