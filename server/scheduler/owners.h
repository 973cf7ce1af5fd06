// What the owners of jobs may have, and have, while a schedule is made. Not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "server/scheduler/scheduler.h"

namespace traind::server {

// Lets jobs through to the machine as far as the quotas of their owners go, in the order in which they are to start.
class OwnerQueue {
 public:
  explicit OwnerQueue(const Owners& owners) : owners_(owners) {}

  // The job runs, or is about to.
  void Take(const JobSnapshot& job);
  // Why its owner's quota holds the job back, and from now on the later ones of the owner, too; empty: it does not. One
  // that is beyond the whole quota holds back no other.
  std::string Hold(const JobSnapshot& job);

 private:
  struct Use {
    int64_t jobs = 0;
    int64_t threads = 0;
    int64_t memory_bytes = 0;
    const JobSnapshot* first_held = nullptr;
  };
  // What `job` lacks beside `use`; empty: nothing.
  std::string Lack(const Use& use, const JobSnapshot& job) const;

  const Owners& owners_;
  std::map<std::string, Use> uses_;
};

// Those that wait, each owner's by priority and arrival, in the order in which owners have come to their turn: that of
// the one with the fewest threads for its weight, of those that run or stand before, and of those it had lately.
std::vector<const JobSnapshot*> ByTurn(std::vector<const JobSnapshot*> waiting,
                                       absl::Span<const JobSnapshot* const> running, const Owners& owners);

}  // namespace traind::server
