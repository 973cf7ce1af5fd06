#include "server/scheduler/owners.h"

#include <algorithm>
#include <deque>
#include <set>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace traind::server {
namespace {

const OwnerShare kNoShare;

const OwnerShare& ShareOf(const Owners& owners, const std::string& owner) {
  const auto share = owners.find(owner);
  return share == owners.end() ? kNoShare : share->second;
}

std::string Mebibytes(int64_t bytes) { return absl::StrFormat("%.1f MiB", static_cast<double>(bytes) / (1 << 20)); }

}  // namespace

void OwnerQueue::Take(const JobSnapshot& job) {
  Use& use = uses_[job.owner];
  ++use.jobs;
  use.threads += job.threads;
  use.memory_bytes += job.memory_bytes;
}

std::string OwnerQueue::Hold(const JobSnapshot& job) {
  Use& use = uses_[job.owner];
  if (use.first_held != nullptr) return absl::StrCat(use.first_held->name, " stands before it in the same quota");
  std::string lack = Lack(use, job);
  if (!lack.empty() && Lack(Use(), job).empty()) use.first_held = &job;
  return lack;
}

std::string OwnerQueue::Lack(const Use& use, const JobSnapshot& job) const {
  const OwnerShare& share = ShareOf(owners_, job.owner);
  const std::string whose = absl::StrCat(job.owner, "'s quota: ");
  if (use.jobs >= share.max_jobs) return absl::StrCat(whose, use.jobs, " of ", share.max_jobs, " jobs run");
  if (use.threads + job.threads > share.max_threads) {
    return absl::StrCat(whose, use.threads, " of ", share.max_threads, " threads are taken, it needs ", job.threads);
  }
  if (job.memory_bytes > share.max_memory_bytes - use.memory_bytes) {
    return absl::StrCat(whose, Mebibytes(use.memory_bytes), " of ", Mebibytes(share.max_memory_bytes),
                        " of memory are taken, it needs ", Mebibytes(job.memory_bytes));
  }
  return "";
}

std::vector<const JobSnapshot*> ByTurn(std::vector<const JobSnapshot*> waiting,
                                       absl::Span<const JobSnapshot* const> running, const Owners& owners) {
  std::sort(waiting.begin(), waiting.end(), [](const JobSnapshot* a, const JobSnapshot* b) {
    return std::make_tuple(-int64_t{a->priority}, a->key) < std::make_tuple(-int64_t{b->priority}, b->key);
  });
  std::map<std::string, std::deque<const JobSnapshot*>> lines;
  for (const JobSnapshot* job : waiting) lines[job->owner].push_back(job);
  if (lines.size() < 2) return waiting;

  std::map<std::string, double> threads;
  for (const auto& [owner, line] : lines) threads[owner] = ShareOf(owners, owner).lately;
  for (const JobSnapshot* job : running) {
    const auto owner = threads.find(job->owner);
    if (owner != threads.end()) owner->second += job->threads;
  }
  // Equal ones by arrival.
  std::set<std::tuple<double, int64_t, std::string>> turns;
  const auto queue = [&](const std::string& owner) {
    turns.emplace(threads[owner] / ShareOf(owners, owner).weight, lines[owner].front()->key, owner);
  };
  for (const auto& [owner, line] : lines) queue(owner);
  std::vector<const JobSnapshot*> order;
  while (!turns.empty()) {
    const std::string owner = std::get<2>(turns.extract(turns.begin()).value());
    auto& line = lines[owner];
    threads[owner] += line.front()->threads;
    order.push_back(line.front());
    line.pop_front();
    if (!line.empty()) queue(owner);
  }
  return order;
}

}  // namespace traind::server
