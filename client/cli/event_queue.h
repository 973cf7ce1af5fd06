// Events on their way from the thread that receives them to the thread that shows them, bounded, so that a slow
// terminal holds the stream back rather than filling the memory. Thread-safe.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "traind/v1/event.pb.h"

namespace traind::client {

class EventQueue {
 public:
  explicit EventQueue(size_t capacity) : capacity_(capacity) {}

  // Waits for room. False after Close: nobody reads any more.
  bool Push(v1::Event event) {
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(this, &EventQueue::HasRoom));
    if (closed_) return false;
    events_.push_back(std::move(event));
    return true;
  }

  // No more events will come, and why. The first call counts.
  void Close(const absl::Status& status) {
    absl::MutexLock lock(&mutex_);
    if (!closed_) closed_ = status;
  }

  // All waiting events, after waiting at most `timeout` for the first.
  std::vector<v1::Event> Take(absl::Duration timeout) {
    absl::MutexLock lock(&mutex_);
    mutex_.AwaitWithTimeout(absl::Condition(this, &EventQueue::HasNews), timeout);
    std::vector<v1::Event> taken(std::make_move_iterator(events_.begin()), std::make_move_iterator(events_.end()));
    events_.clear();
    return taken;
  }

  // The status of Close, once all events were taken.
  std::optional<absl::Status> Ended() {
    absl::MutexLock lock(&mutex_);
    return events_.empty() ? closed_ : std::nullopt;
  }

 private:
  bool HasRoom() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return events_.size() < capacity_ || closed_; }
  bool HasNews() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !events_.empty() || closed_; }

  const size_t capacity_;
  absl::Mutex mutex_;
  std::deque<v1::Event> events_ ABSL_GUARDED_BY(mutex_);
  std::optional<absl::Status> closed_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace traind::client
