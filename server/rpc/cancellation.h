// Says that a caller has gone, to whoever works for it. Thread-safe.
#pragma once

#include <functional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace traind::server {

class Cancellation {
 public:
  // Runs the action, if there is one, once.
  void Cancel() {
    absl::MutexLock lock(&mu_);
    cancelled_ = true;
    if (action_ != nullptr) std::exchange(action_, nullptr)();
  }
  bool cancelled() const {
    absl::MutexLock lock(&mu_);
    return cancelled_;
  }
  // Sets what Cancel runs; it runs at once when Cancel has been called. Null takes it back: when that returns, the
  // action does not run any more.
  void OnCancel(std::function<void()> action) {
    absl::MutexLock lock(&mu_);
    if (cancelled_ && action != nullptr) {
      action();
    } else {
      action_ = std::move(action);
    }
  }

 private:
  mutable absl::Mutex mu_;
  bool cancelled_ ABSL_GUARDED_BY(mu_) = false;
  std::function<void()> action_ ABSL_GUARDED_BY(mu_);
};

}  // namespace traind::server
