#include "server/retention/plan.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"

namespace traind::server {
namespace {

constexpr int64_t kReportsThatStay = 2;  // The first and the last one.

bool IsAbout(Retained what, const Holding& holding) {
  const bool job = holding.kind == v1::STORAGE_KIND_JOBS;
  switch (what) {
    case Retained::kJobs:
      return job;
    case Retained::kSucceeded:
      return job && holding.state == v1::JOB_STATE_SUCCEEDED;
    case Retained::kFailed:
      return job && holding.state == v1::JOB_STATE_FAILED;
    case Retained::kCancelled:
      return job && holding.state == v1::JOB_STATE_CANCELLED;
    case Retained::kEvents:
      return holding.kind == v1::STORAGE_KIND_EVENTS && holding.reports > kReportsThatStay;
    case Retained::kCheckpoints:
      return holding.kind == v1::STORAGE_KIND_CHECKPOINTS;
    case Retained::kModels:
      return holding.kind == v1::STORAGE_KIND_MODELS;
    case Retained::kUploads:
      return holding.kind == v1::STORAGE_KIND_UPLOADS;
    case Retained::kTrash:
      return holding.kind == v1::STORAGE_KIND_TRASH;
  }
  return false;
}

// What the things of a job take together.
std::map<JobKey, int64_t> BytesOfJobs(const Inventory& inventory) {
  std::map<JobKey, int64_t> bytes;
  for (const Holding& holding : inventory.holdings) {
    if (holding.job != 0) bytes[holding.job] += holding.bytes;
  }
  return bytes;
}

// The newest and the best checkpoint of each job.
std::set<std::string> CheckpointsThatStay(const Inventory& inventory, const FindBest& best) {
  std::set<std::string> stay;
  std::map<std::string, std::vector<std::string>> checkpoints;  // By job, the newest last.
  for (const Holding& holding : inventory.holdings) {
    if (holding.kind != v1::STORAGE_KIND_CHECKPOINTS) continue;
    checkpoints[holding.name.substr(0, holding.name.find("/checkpoints/"))].push_back(holding.name);
  }
  for (const auto& [job, names] : checkpoints) {
    stay.insert(names.back());
    if (names.size() == 1) continue;
    const std::optional<int64_t> step = best(job);
    if (step.has_value()) stay.insert(absl::StrCat(job, "/checkpoints/", *step));
    if (!step.has_value()) stay.insert(names.begin(), names.end());
  }
  return stay;
}

class Planner {
 public:
  Planner(const Inventory& inventory, absl::Time now, const FindBest& best)
      : inventory_(inventory), now_(now), best_(best), bytes_of_jobs_(BytesOfJobs(inventory)) {}

  void Apply(Retained what, const RetentionRule& rule) {
    std::vector<Holding> candidates = Candidates(what);
    int64_t count = static_cast<int64_t>(candidates.size()), bytes = 0;
    for (const Holding& holding : candidates) bytes += holding.bytes;
    const RetentionLimit& limit = rule.limit;
    for (Holding& holding : candidates) {
      std::string reason;
      const absl::Duration age = now_ - holding.time;
      if (limit.age.has_value() && age >= *limit.age) {
        reason = absl::StrCat(holding.job != 0 ? "ended " : "came ", AgeText(age), " ago");
      } else if (limit.count.has_value() && count > *limit.count) {
        reason = absl::StrCat("not among the newest ", *limit.count);
      } else if (limit.bytes.has_value() && bytes > *limit.bytes) {
        reason = "not among the newest that fit";
      } else {
        return;  // The others are newer.
      }
      --count;
      bytes -= holding.bytes;
      if (holding.kind == v1::STORAGE_KIND_JOBS) jobs_.insert(holding.job);
      removals_.push_back({.holding = std::move(holding), .reason = absl::StrCat(reason, " (", rule.text, ")")});
    }
  }

  std::vector<Removal> Take() { return std::move(removals_); }

 private:
  // The oldest first.
  std::vector<Holding> Candidates(Retained what) {
    if (what == Retained::kCheckpoints) staying_ = CheckpointsThatStay(inventory_, best_);
    std::vector<Holding> candidates;
    for (const Holding& holding : inventory_.holdings) {
      if (!IsAbout(what, holding) || holding.pinned || holding.time == absl::InfiniteFuture()) continue;
      if (holding.starts_another && what != Retained::kEvents) continue;
      if (staying_.count(holding.name) != 0 || jobs_.count(holding.job) != 0) continue;
      candidates.push_back(holding);
      if (holding.kind == v1::STORAGE_KIND_JOBS) candidates.back().bytes = bytes_of_jobs_.at(holding.job);
      if (holding.kind == v1::STORAGE_KIND_EVENTS) candidates.back().bytes = holding.report_bytes;
    }
    std::stable_sort(candidates.begin(), candidates.end(),
                     [](const Holding& one, const Holding& other) { return one.time < other.time; });
    return candidates;
  }

  const Inventory& inventory_;
  const absl::Time now_;
  const FindBest& best_;
  const std::map<JobKey, int64_t> bytes_of_jobs_;
  std::set<std::string> staying_;
  std::set<JobKey> jobs_;  // That go as a whole.
  std::vector<Removal> removals_;
};

}  // namespace

std::vector<Removal> PlanRemovals(const RetentionPolicy& policy, const Inventory& inventory, absl::Time now,
                                  const FindBest& best) {
  Planner planner(inventory, now, best);
  for (const auto& [what, rule] : policy) planner.Apply(what, rule);
  return planner.Take();
}

}  // namespace traind::server
