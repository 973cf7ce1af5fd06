#include "core/base/ending.h"

#include <algorithm>

namespace traind::core {
namespace {

// What std::chrono can add to any time without an overflow.
constexpr absl::Duration kLongestWait = absl::Hours(24 * 365);

}  // namespace

void Ending::End() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    ended_ = true;
  }
  changed_.notify_all();
}

bool Ending::ended() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return ended_;
}

bool Ending::WaitFor(absl::Duration timeout) {
  std::unique_lock<std::mutex> lock(mutex_);
  return changed_.wait_for(lock, absl::ToChronoNanoseconds(std::min(timeout, kLongestWait)), [this] { return ended_; });
}

}  // namespace traind::core
