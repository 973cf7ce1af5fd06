// Runs a fix and its control to the same step and compares them.
#pragma once

#include <optional>

#include "client/cli/context.h"
#include "client/cli/trial_plan.h"
#include "client/cli/trial_report.h"

namespace traind::client {

struct TrialOutcome {
  TrialRecord fixed, control;
  Verdict verdict;
};

// Makes both jobs, shows how far they are, pauses each at the plan's last step (the server runs them together or one
// behind the other, as it has room) and compares them. After that both are PAUSED or have ended, labelled with the
// verdict. Nullopt: it has said what went wrong, and `code` is the exit code; both jobs were cancelled then, as they
// are by Ctrl-C. For the main thread.
std::optional<TrialOutcome> RunTrial(const Context& context, Client& client, const TrialPlan& plan,
                                     const std::string& finding, int& code);

// Says, beside the result, what is going to be tried, where and why there.
void SayPlan(const Context& context, const TrialPlan& plan);
// Cancels a job of a trial; OK, too, when it has ended by itself.
absl::Status EndTrialJob(Client& client, const std::string& job);
// Sets a label of the job "jobs/{id}"; says when that fails.
void LabelJob(const Context& context, Client& client, const std::string& name, const std::string& key,
              const std::string& value);

// The table, the curves and the sentence, as text.
std::string RenderTrial(const TrialOutcome& outcome, int width, bool color);
// The same as one line of JSON.
std::string TrialJson(const FoundFault& fault, const TrialPlan& plan, const TrialOutcome& outcome);

}  // namespace traind::client
