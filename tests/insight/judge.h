// What insight says of a recorded run, under any profile and thresholds, and whether that is right.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tests/insight/runs.h"
#include "traind/v1/finding.pb.h"
#include "traind/v1/insight.pb.h"

namespace traind::insight {

// One finding over the whole run.
struct Told {
  v1::Finding finding;                // As it was told last, with the fix of its first warning where it had one.
  v1::Finding::Severity worst = {};   // It ever had.
  std::optional<uint64_t> warned_at;  // The step at which it was first told as WARNING or worse; 0: before any.
  bool was_root = false;              // While it was WARNING or worse, nothing explained it when it was told last.
};

struct Heard {
  std::vector<Told> findings;              // Causes first, as ListFindings has them.
  int64_t events = 0, reports = 0;         // Given to Insight; of these, reports of statistics.
  double seconds = 0, report_seconds = 0;  // That Insight took for all of them, and for the reports.

  bool Warned() const;
  // The first step at which something was told as WARNING or worse; nullopt: nothing was.
  std::optional<uint64_t> FirstWarning() const;
  // What is WARNING or worse and hangs on nothing.
  std::vector<const Told*> Roots() const;
};

// Plays the events to core::Insight, as a server does. `insight` takes the place of that of the job.
Heard Listen(const Recording& recording, const v1::InsightSpec& insight);

// A faulty run under the eyes of a profile.
struct Verdict {
  bool noticed = false;             // Anything at all was told as WARNING or worse.
  bool named = false;               // A root has a rule that names the fault.
  std::optional<bool> layer_right;  // The first root is in a layer that has the fault; nullopt: it is in none.
  std::optional<uint64_t> late;     // Steps from where the fault could be seen to the first warning.
};
Verdict JudgeFault(const Run& run, const Recording& recording, const Heard& heard);

// The job of the recording with the change of its fields that the finding suggests. Nullopt: it has none for programs.
std::optional<v1::JobSpec> Mended(const Recording& recording, const v1::Finding& finding);

}  // namespace traind::insight
