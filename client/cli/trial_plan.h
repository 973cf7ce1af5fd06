// Where and how long a fix is tried: two jobs, one with it and one without. Asks the server, changes nothing there.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "client/cli/trial_report.h"
#include "client/client.h"
#include "traind/v1/finding.pb.h"
#include "traind/v1/job.pb.h"

namespace traind::client {

// Labels of the jobs that a trial makes.
inline constexpr char kFixOf[] = "fix-of";            // The job with the finding: its id.
inline constexpr char kFixRule[] = "fix-rule";        // The finding's rule.
inline constexpr char kFixFinding[] = "fix-finding";  // The finding's id.
inline constexpr char kFixRole[] = "fix-role";        // "patched" or "control".
inline constexpr char kFixVerdict[] = "fix-verdict";  // "helps" or "no-help", when both have been compared.
inline constexpr char kFixedBy[] = "fixed-by";        // Of the job with the finding: the id of the one that went on.

// A job and one of its findings.
struct FoundFault {
  v1::Job job;  // With its spec, and with labels, name for people and priority as they are now in it.
  v1::JobSpec resolved;
  v1::Finding finding;
  v1::JobSpec fixed_spec;  // With the fix.
};

// `finding`: its id, or the name of a rule that has found one thing. NOT_FOUND: names those that there are.
// FAILED_PRECONDITION: no program can apply its fix.
absl::StatusOr<FoundFault> FindFault(Client& client, const std::string& job, const std::string& finding);

struct TrialPlan {
  std::string checkpoint;   // "jobs/{id}/checkpoints/{step}" that both begin with; empty: from the beginning.
  uint64_t first_step = 0;  // Of it.
  std::string why;          // They begin there: "network is read only at the start".
  uint64_t steps = 0;       // That each of them trains.
  std::string fixed_id, control_id;
  v1::JobSpec fixed_spec, control_spec;
  Measure measure = Measure::kTrainLoss;
  bool evaluates = true;  // The job has an evaluation split.

  uint64_t target() const { return first_step + steps; }
};

// What one may choose.
struct TrialWishes {
  std::optional<uint64_t> steps;  // Default: those that the job had run when the finding came and a tenth more, at
                                  // least 100, at most a fifth of the job; four evaluations where these are compared.
  std::string fixed_id;           // Name of the job with the fix. Default: "{base}-fix-1", or the next that is free.
  std::string base;               // Default: the id of the job that has the finding.
};

// From the newest checkpoint before the finding's first step; from the beginning where the fix only counts there or no
// such checkpoint is left. INVALID_ARGUMENT: more steps than the job has. FAILED_PRECONDITION: none is left, or no
// name.
absl::StatusOr<TrialPlan> PlanTrial(Client& client, const FoundFault& fault, const TrialWishes& wishes);

// The job with the fix alone, for its whole length.
absl::StatusOr<v1::Job> StartFixed(Client& client, const FoundFault& fault, const TrialPlan& plan);
// Makes one of the two jobs of the trial.
absl::StatusOr<v1::Job> StartTrial(Client& client, const TrialPlan& plan, bool fixed);

}  // namespace traind::client
