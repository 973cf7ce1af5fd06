// How long what is kept: the rules of --retain. Pure; value types.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace traind::server {

// What a rule is about; the order is that in which rules are applied. Those up to kCheckpoints are about jobs.
enum class Retained : uint8_t {
  kSucceeded,  // Jobs that have ended so, with everything that they have.
  kFailed,
  kCancelled,
  kJobs,         // Jobs that have ended, however.
  kEvents,       // Whole reports of statistics of jobs that have ended.
  kCheckpoints,  // Of jobs that have ended, but the newest and the best one of each.
  kModels,
  kUploads,
  kTrash,
};

// The newest things stay as far as all of these go; absent: as far as there is any.
struct RetentionLimit {
  std::optional<absl::Duration> age;
  std::optional<int64_t> count;
  std::optional<int64_t> bytes;
};

struct RetentionRule {
  RetentionLimit limit;
  std::string text;  // "failed=30d,100".
};

using RetentionPolicy = std::map<Retained, RetentionRule>;

// Of rules like "failed=30d", "succeeded=365d,1000", "models=50GiB", "trash=forever"; a later one about the same things
// takes the place of an earlier one. Several may stand in one text, with blanks between. Without any, uploads and trash
// are kept for 7 days, all else forever. INVALID_ARGUMENT names the rule, and what it may be.
absl::StatusOr<RetentionPolicy> ParseRetention(const std::vector<std::string>& rules);

// "30 days", "12 hours".
std::string AgeText(absl::Duration age);

}  // namespace traind::server
