#include "server/scheduler/queue_view.h"

#include <utility>

namespace traind::server {

void QueueView::Set(std::vector<JobSnapshot> jobs, Owners owners, int64_t task_memory) {
  absl::MutexLock lock(&mu_);
  jobs_ = std::move(jobs);
  owners_ = std::move(owners);
  task_memory_ = task_memory;
  explained_.reset();
}

std::optional<v1::QueueStatus> QueueView::Find(int64_t key) {
  absl::MutexLock lock(&mu_);
  if (!explained_.has_value()) explained_ = Explain(jobs_, capacity_, task_memory_, owners_);
  const auto status = explained_->find(key);
  if (status == explained_->end()) return std::nullopt;
  return status->second;
}

}  // namespace traind::server
