// From recorded runs to figures: which faults do harm, what of them each profile notices and names, and how often it
// warns of healthy runs.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "tests/insight/judge.h"
#include "tests/insight/runs.h"

namespace traind::insight {

// Thresholds are set on one part of the runs; figures are of the other: seeds, examples and styles that are held out.
enum class Half : uint8_t { kTuning, kReporting };
inline Half HalfOf(const Run& run) { return IsHeldOut(run.seed) ? Half::kReporting : Half::kTuning; }

// A name and what a job would have as `insight`.
using Profile = std::pair<std::string, v1::InsightSpec>;
// Those of the API: the default first, on which `own` is laid, then those of other tools.
std::vector<Profile> AllProfiles(const v1::InsightSpec& own);

// A fault does harm when the result is worse by this, of 1.
inline constexpr double kHarm = 0.05;

enum class Standing : uint8_t {
  kHealthy,
  kFaulty,
  kHarmless,  // A fault with a result as good as without it.
  kPoor,      // Without a fault, and below the bar.
  kNoBase,    // With a fault, and its healthy run is below the bar.
};

struct RootSeen {
  std::string id, rule, cause;
  bool has_patch = false;
};

// One run under one profile.
struct Look {
  bool warned = false;
  Verdict verdict;                         // Of faulty ones.
  std::vector<RootSeen> roots;             // Causes first.
  std::map<std::string, uint64_t> rules;   // That warned, and when first.
  double seconds = 0, report_seconds = 0;  // As Heard.
  int64_t events = 0, reports = 0;
};

struct Examined {
  const Run* run = nullptr;
  Standing standing = Standing::kHealthy;
  Outcome outcome;
  double base_result = 0;  // Of the healthy run, for faults.
  double train_seconds = 0;
  std::vector<Look> looks;    // One for each profile.
  std::optional<Run> mended;  // With the fix of the first root of the first profile, where a program can apply it.
  std::optional<Outcome> after_fix;
};

// Of all recordings of `runs`, in `threads` threads; those that are not there are left out, and counted on stderr.
absl::StatusOr<std::vector<Examined>> Examine(const std::vector<Run>& runs, const std::vector<Profile>& profiles,
                                              const std::string& folder, int threads);

// At most `count` of the mended runs of faults that do harm, the kinds in turn and those for reporting first.
std::vector<Run> ChooseFixes(const std::vector<Examined>& all, int count);
// Reads what became of them into `all`.
absl::Status ReadFixes(const std::string& folder, std::vector<Examined>& all);
// Whether the loss of the evaluation is lower than without the fix; where the fix is another loss, whether the result
// is better. Only with after_fix.
bool FixHelped(const Examined& one);

// Sums over runs.
struct Figures {
  int faulty = 0, noticed = 0, named = 0;
  int placed = 0, layer_right = 0;  // Of faults that are in some layers alone.
  int healthy = 0, warned = 0;      // Healthy ones with a warning.
  int harmless = 0, harmless_warned = 0;
  int fixes = 0, helped = 0;
  std::vector<uint64_t> late;  // Steps, of those noticed.

  void Add(const Examined& one, size_t profile);
  uint64_t MedianLate() const;
  double ShareInTime() const;  // Noticed within 50 steps, of those noticed.
};
inline constexpr uint64_t kInTime = 50;  // Steps.

}  // namespace traind::insight
