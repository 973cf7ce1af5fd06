// How many threads the jobs of each owner had lately: what the scheduler needs to give owners threads by their weights,
// also where each job takes all of them, one after the other. An average that fades: what was longer ago than the
// memory hardly counts, so that nobody saves up a claim by waiting, or pays for ever. It is of this start of the
// server. Not thread-safe.
#pragma once

#include <map>
#include <string>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "server/scheduler/scheduler.h"

namespace traind::server {

class FairShare {
 public:
  explicit FairShare(absl::Duration memory = absl::Hours(1)) : memory_(memory) {}

  // From `now` on the jobs among these that have a worker run, until the next call. An owner that has had next to
  // nothing is forgotten.
  void Note(absl::Span<const JobSnapshot> jobs, absl::Time now);
  // Threads, as they would be at `now`.
  double Average(const std::string& owner, absl::Time now) const;

 private:
  struct Use {
    double average = 0;
    double threads = 0;  // Now.
  };
  double At(const Use& use, absl::Time now) const;

  const absl::Duration memory_;
  absl::Time noted_ = absl::InfinitePast();
  std::map<std::string, Use> uses_;
};

}  // namespace traind::server
