#include "server/retention/policy.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace traind::server {
namespace {

constexpr std::pair<const char*, Retained> kNames[] = {
    {"jobs", Retained::kJobs},           {"succeeded", Retained::kSucceeded}, {"failed", Retained::kFailed},
    {"cancelled", Retained::kCancelled}, {"events", Retained::kEvents},       {"checkpoints", Retained::kCheckpoints},
    {"models", Retained::kModels},       {"uploads", Retained::kUploads},     {"trash", Retained::kTrash}};
constexpr std::pair<const char*, int64_t> kUnits[] = {
    {"KiB", int64_t{1} << 10}, {"MiB", int64_t{1} << 20}, {"GiB", int64_t{1} << 30}, {"TiB", int64_t{1} << 40}};
constexpr const char* kDefaults[] = {"uploads=7d", "trash=7d"};
constexpr int64_t kMostDays = 36500;
constexpr int64_t kMostThings = 1'000'000'000;
constexpr int64_t kMostUnits = 1'000'000;
constexpr char kForever[] = "forever";

absl::Status Wrong(const std::string& rule) {
  return absl::InvalidArgumentError(absl::StrCat(
      "--retain ", rule,
      ": wants jobs, succeeded, failed, cancelled, events, checkpoints, models, uploads or trash, and how much of them "
      "to keep: an age (30d, 12h), a number (100), bytes (50GiB), some of these, or forever; like failed=30d,100"));
}

// A whole number from `least` to `most` before the suffix.
std::optional<int64_t> NumberBefore(absl::string_view text, absl::string_view suffix, int64_t least, int64_t most) {
  int64_t number = 0;
  if (!absl::EndsWith(text, suffix) || !absl::SimpleAtoi(text.substr(0, text.size() - suffix.size()), &number)) {
    return std::nullopt;
  }
  return number >= least && number <= most ? std::optional(number) : std::nullopt;
}

// False: the text is no limit, or one of a kind that was given before.
bool AddLimit(absl::string_view text, RetentionLimit& limit) {
  const auto days = NumberBefore(text, "d", 1, kMostDays), hours = NumberBefore(text, "h", 1, kMostDays * 24);
  if (days.has_value() || hours.has_value()) {
    if (limit.age.has_value()) return false;
    limit.age = days.has_value() ? absl::Hours(24 * *days) : absl::Hours(*hours);
    return true;
  }
  for (const auto& [suffix, unit] : kUnits) {
    const auto units = NumberBefore(text, suffix, 1, kMostUnits);
    if (!units.has_value()) continue;
    if (limit.bytes.has_value()) return false;
    limit.bytes = *units * unit;
    return true;
  }
  if (limit.count.has_value()) return false;
  limit.count = NumberBefore(text, "", 0, kMostThings);
  return limit.count.has_value();
}

absl::Status AddRule(const std::string& rule, RetentionPolicy& policy) {
  const std::vector<std::string> sides = absl::StrSplit(rule, absl::MaxSplits('=', 1));
  const auto* name =
      std::find_if(std::begin(kNames), std::end(kNames), [&](const auto& known) { return sides[0] == known.first; });
  if (sides.size() != 2 || name == std::end(kNames)) return Wrong(rule);
  policy.erase(name->second);
  if (sides[1] == kForever) return absl::OkStatus();
  RetentionRule added{.limit = {}, .text = rule};
  for (const absl::string_view text : absl::StrSplit(sides[1], ',')) {
    if (!AddLimit(text, added.limit)) return Wrong(rule);
  }
  policy[name->second] = std::move(added);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<RetentionPolicy> ParseRetention(const std::vector<std::string>& rules) {
  RetentionPolicy policy;
  absl::Status status;
  for (const char* rule : kDefaults) status.Update(AddRule(rule, policy));
  for (const std::string& several : rules) {
    for (const std::string& rule : std::vector<std::string>(absl::StrSplit(several, ' ', absl::SkipEmpty()))) {
      status.Update(AddRule(rule, policy));
    }
  }
  if (!status.ok()) return status;
  return policy;
}

std::string AgeText(absl::Duration age) {
  const int64_t hours = absl::ToInt64Hours(age);
  return hours >= 48 ? absl::StrCat(hours / 24, " days") : absl::StrCat(hours, " hours");
}

}  // namespace traind::server
