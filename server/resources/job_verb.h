// What a person may ask of a job, and what that does to a job in each state: one rule for each pair, in one table.
// Pure; thread-safe.
#pragma once

#include <string_view>

#include "absl/types/span.h"
#include "traind/v1/job.pb.h"

namespace traind::server {

// Those that depend on the state. Reading, watching, UpdateJob and ForkJob do not.
enum class JobVerb { kCancel, kPause, kResume, kStop, kExtend, kDelete };

struct VerbRule {
  enum class Effect {
    kMoves,    // To the state `to`, at once.
    kNothing,  // Asked for already: the answer is the job as it is.
    kDeletes,
    kRefused,  // FAILED_PRECONDITION, with `instead`.
  };
  JobVerb verb;
  v1::JobState state;
  Effect effect;
  v1::JobState to = v1::JOB_STATE_UNSPECIFIED;
  std::string_view instead = {};  // Why not, and what to do: follows "jobs/a is PAUSING: ".
};

// All of them, by verb.
absl::Span<const VerbRule> VerbRules();

// A state of which nothing is known refuses every verb.
const VerbRule& RuleOf(JobVerb verb, v1::JobState state);

// "CancelJob".
std::string_view MethodOf(JobVerb verb);

}  // namespace traind::server
