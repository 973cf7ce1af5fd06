#include "server/scheduler/fair_share.h"

#include <algorithm>
#include <cmath>

namespace traind::server {
namespace {

constexpr double kNothing = 1e-3;  // Threads.

}  // namespace

double FairShare::At(const Use& use, absl::Time now) const {
  const double kept = std::exp(-std::max(0.0, absl::FDivDuration(now - noted_, memory_)));
  return kept * use.average + (1 - kept) * use.threads;
}

void FairShare::Note(absl::Span<const JobSnapshot> jobs, absl::Time now) {
  for (auto& [owner, use] : uses_) use = {.average = At(use, now)};
  noted_ = now;
  for (const JobSnapshot& job : jobs) {
    if (job.has_worker) uses_[job.owner].threads += job.threads;
  }
  for (auto use = uses_.begin(); use != uses_.end();) {
    use = use->second.average < kNothing && use->second.threads == 0 ? uses_.erase(use) : std::next(use);
  }
}

double FairShare::Average(const std::string& owner, absl::Time now) const {
  const auto use = uses_.find(owner);
  return use == uses_.end() ? 0 : At(use->second, now);
}

}  // namespace traind::server
