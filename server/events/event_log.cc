#include "server/events/event_log.h"

#include <utility>

#include "server/resources/job_state.h"

namespace traind::server {

void EventLog::Publish(JobKey key, const std::vector<v1::Event>& events) {
  if (events.empty()) return;
  std::vector<std::shared_ptr<const v1::Event>> shared;
  for (const v1::Event& event : events) {
    shared.push_back(std::make_shared<v1::Event>(event));
    metrics_->events[static_cast<size_t>(KindOf(event))].Add();
  }
  const bool terminal = events.back().has_state() && IsTerminal(events.back().state().state());
  absl::MutexLock lock(&mu_);
  Channel& channel = channels_[key];
  for (auto& event : shared) {
    channel.bytes += static_cast<int64_t>(event->ByteSizeLong());
    channel.recent.push_back(std::move(event));
  }
  while (channel.bytes > cache_bytes_) {
    channel.bytes -= static_cast<int64_t>(channel.recent.front()->ByteSizeLong());
    channel.recent.pop_front();
  }
  for (const auto& [id, wake] : channel.watchers) wake();
  if (terminal) {
    // The job's last word for now: from here on the store serves it.
    channel.recent.clear();
    channel.bytes = 0;
    if (channel.watchers.empty()) channels_.erase(key);
  }
}

void EventLog::Remove(JobKey key) {
  absl::MutexLock lock(&mu_);
  const auto found = channels_.find(key);
  if (found == channels_.end()) return;
  found->second.deleted = true;
  for (const auto& [id, wake] : found->second.watchers) wake();
  if (found->second.watchers.empty()) channels_.erase(found);
}

void EventLog::Close() {
  absl::MutexLock lock(&mu_);
  closed_ = true;
  for (const auto& [key, channel] : channels_) {
    for (const auto& [id, wake] : channel.watchers) wake();
  }
}

bool EventLog::closed() const {
  absl::MutexLock lock(&mu_);
  return closed_;
}

absl::StatusOr<JobStore::EventBatch> EventLog::Read(JobKey key, const JobStore::ReadOptions& options) {
  {
    absl::MutexLock lock(&mu_);
    const auto found = channels_.find(key);
    if (found != channels_.end()) {
      if (found->second.deleted) return absl::NotFoundError("the job was deleted while it was watched");
      const auto& recent = found->second.recent;
      if (!recent.empty() && options.after_sequence + 1 >= recent.front()->sequence()) {
        JobStore::EventBatch batch;
        batch.last_scanned = options.after_sequence;
        int64_t bytes = 0;
        for (auto i = static_cast<size_t>(options.after_sequence + 1 - recent.front()->sequence()); i < recent.size();
             ++i) {
          if ((options.kinds >> KindOf(*recent[i])) & 1) {
            bytes += static_cast<int64_t>(recent[i]->ByteSizeLong());
            if (bytes > options.max_bytes && !batch.events.empty()) break;
            batch.events.push_back(recent[i]);
          }
          batch.last_scanned = recent[i]->sequence();
        }
        return batch;
      }
    }
  }
  return store_->ReadEvents(key, options);
}

int64_t EventLog::Subscribe(JobKey key, std::function<void()> wake) {
  absl::MutexLock lock(&mu_);
  channels_[key].watchers.emplace(next_subscription_, std::move(wake));
  metrics_->watchers.fetch_add(1, std::memory_order_relaxed);
  return next_subscription_++;
}

void EventLog::Unsubscribe(JobKey key, int64_t subscription) {
  absl::MutexLock lock(&mu_);
  const auto found = channels_.find(key);
  if (found == channels_.end()) return;
  Channel& channel = found->second;
  if (channel.watchers.erase(subscription) > 0) metrics_->watchers.fetch_sub(1, std::memory_order_relaxed);
  if (channel.watchers.empty() && channel.recent.empty()) channels_.erase(found);
}

}  // namespace traind::server
