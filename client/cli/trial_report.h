// What two trials of a job, with a fix and without it, have shown. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "client/cli/styled.h"
#include "traind/v1/event.pb.h"
#include "traind/v1/job.pb.h"

namespace traind::client {

struct TrialPoint {
  uint64_t step = 0;
  v1::TrainMetrics train;
  double step_ms = 0;  // 0: not told.
};

// One of the two jobs, as far as it was looked at.
struct TrialRecord {
  std::string job;          // "jobs/{id}".
  uint64_t first_step = 0;  // Of the checkpoint that it began with; 0: from the beginning.
  uint64_t step = 0;        // The newest one.
  v1::JobState state = v1::JOB_STATE_UNSPECIFIED;
  std::string error;  // Of a job that FAILED.
  std::vector<TrialPoint> points;
  std::vector<std::pair<uint64_t, v1::EvaluationMetrics>> evaluations;  // With their steps.
  std::optional<v1::Finding> again;  // The finding, as it was worst while the trial lasted; nothing: it did not come.
  uint64_t again_step = 0;           // Where it came.
};

// By which number a fix is judged.
enum class Measure { kTrainLoss, kEvaluationLoss, kAccuracy, kMacroRecall, kStepTime };

// The training loss, unless the finding is about another number or the fix changes what the loss means: evaluation
// loss for a finding of a split and for what regularizes, evaluation accuracy for another loss (for class_imbalance
// the mean recall of the classes), the time of a step for more threads.
Measure MeasureOf(const v1::Finding& finding);

struct Verdict {
  bool helps = false;
  std::string sentence;  // "the fix helps: training loss 0.4102 instead of 2.303 after 200 steps".
  uint64_t step = 0;     // At which the two are compared.
};

// Compares the trials at the last step, at most `target`, that both have reached: means over the last quarter of the
// way there, and the newest evaluation. The fix helps when it is better by more than a fiftieth, and by more than twice
// the standard error of the difference (where both have seen at the same steps); or when the control FAILED and it did
// not. `restores_best`: the fixed job ends with its best weights, whose evaluation counts.
Verdict Judge(const TrialRecord& fixed, const TrialRecord& control, Measure measure, uint64_t target,
              bool restores_best);

// The two in columns: loss, evaluation, gradient norm, time of a step, the finding.
Table TrialTable(const TrialRecord& fixed, const TrialRecord& control, uint64_t step);

// The mean of the training loss over the last quarter of the way to `step`; nullopt: nothing was told there.
std::optional<double> LastTrainLoss(const TrialRecord& record, uint64_t step);
// The newest evaluation up to `step`; null: none.
const v1::EvaluationMetrics* LastEvaluation(const TrialRecord& record, uint64_t step);

}  // namespace traind::client
