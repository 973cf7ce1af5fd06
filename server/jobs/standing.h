// What a job waits for beside threads and memory, as it is known in memory alone: room on the disk, or the time at
// which its worker is started again. Thread-safe.
#pragma once

#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace traind::server {

class Standing {
 public:
  // "room on the disk: ..."; empty: for nothing any more.
  void WaitFor(std::string what) {
    absl::MutexLock lock(&mu_);
    what_ = std::move(what);
    until_ = absl::InfiniteFuture();
  }
  void WaitUntil(absl::Time time, std::string why) {
    absl::MutexLock lock(&mu_);
    what_ = std::move(why);
    until_ = time;
  }
  bool waits(absl::Time now) const {
    absl::MutexLock lock(&mu_);
    return !what_.empty() && now < until_;
  }
  // When the wait ends by itself; InfiniteFuture: it does not.
  absl::Time until() const {
    absl::MutexLock lock(&mu_);
    return until_;
  }
  // "needs room on the disk: ...", "tries again in 8 s: ..."; empty: it does not wait.
  std::string Text(absl::Time now) const {
    absl::MutexLock lock(&mu_);
    if (what_.empty() || now >= until_) return "";
    if (until_ == absl::InfiniteFuture()) return absl::StrCat("needs ", what_);
    return absl::StrCat("tries again in ", absl::ToInt64Seconds(absl::Ceil(until_ - now, absl::Seconds(1))),
                        " s: ", what_);
  }

 private:
  mutable absl::Mutex mu_;
  std::string what_ ABSL_GUARDED_BY(mu_);
  absl::Time until_ ABSL_GUARDED_BY(mu_) = absl::InfiniteFuture();
};

}  // namespace traind::server
