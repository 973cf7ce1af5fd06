// JobSpec.early_stopping: what is wrong with it, and when it ends a training. Its whole state is an
// EarlyStoppingState, which checkpoints keep. Pure functions.
#pragma once

#include <cstdint>
#include <string>

#include "core/base/errors.h"
#include "traind/v1/checkpoint.pb.h"
#include "traind/v1/dataset.pb.h"
#include "traind/v1/job.pb.h"

namespace traind::core {

// Checks it, where there is one, against the rest of the spec, whose data and evaluation are resolved, and fills in its
// defaults. `dataset` is null when it is not known; `errors` is the scope of the spec.
void ResolveEarlyStopping(v1::JobSpec& spec, const v1::Dataset* dataset, const FieldErrors& errors);

// --- `config` is that of a resolved `spec`.

// Of a training that has not been looked at.
v1::EarlyStoppingState NewEarlyStoppingState();
// Whether `value` of the metric counts as better than `best`. NaN never does; every number is better than a NaN.
bool Improves(const v1::JobSpec& spec, double value, double best);
// Takes note of the metric's value in the evaluation after `step`.
void NoteEvaluation(const v1::JobSpec& spec, uint64_t step, double value, v1::EarlyStoppingState& state);
// Whether the training ends here. False for a job without early stopping, whose config and state are empty.
bool HasEnded(const v1::EarlyStopping& config, const v1::EarlyStoppingState& state);
// Why, once it has ended: "early stopping: evaluation_loss was best after step 300 (0.25), not in the 5 evaluations
// since".
std::string EndReason(const v1::JobSpec& spec, const v1::EarlyStoppingState& state);
// "evaluation_loss", "evaluation_macro_f1"
std::string StoppingMetricName(const v1::JobSpec& spec);

}  // namespace traind::core
