// What the rules of retention remove of what there is. Pure.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "server/retention/policy.h"
#include "server/services/inventory.h"

namespace traind::server {

struct Removal {
  Holding holding;     // Its bytes are those that become free: of a job, with all that it has.
  std::string reason;  // "ended 31 days ago (failed=30d)".
};

using FindBest = std::function<std::optional<int64_t>(const std::string& job)>;

// In the order in which they go: rule by rule, the oldest first. What is pinned, what has not come to rest, what a job
// was begun with, and of each job the newest and the best checkpoint stay, and count for no limit. `best` gives the
// step of a job's best checkpoint, or -1; nothing: it cannot be known now, and all of them stay.
std::vector<Removal> PlanRemovals(const RetentionPolicy& policy, const Inventory& inventory, absl::Time now,
                                  const FindBest& best);

}  // namespace traind::server
