// The defaults of a sweep, and what can be checked of it without its jobs. Pure functions, thread-safe.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "core/base/errors.h"
#include "traind/v1/event.pb.h"
#include "traind/v1/sweep.pb.h"

namespace traind::core {

// Fills in the defaults of all but `base` and `parallelism`, and reports what is wrong to `errors`, the scope of the
// spec. asha.min_epochs and pbt.interval_epochs stay as they are: what they are in steps is known with a job.
void ResolveSweep(v1::SweepSpec& spec, const FieldErrors& errors);

// The number at `path` of an evaluation, "classification.macro_f1"; nullopt where it is absent. The names of
// CheckpointSpec.best_metric are taken, too: "macro_f1", "top_5_accuracy", "r2". INVALID_ARGUMENT:
// evaluations have no such number.
absl::StatusOr<std::optional<double>> MetricOf(const v1::EvaluationMetrics& evaluation, const std::string& path);

}  // namespace traind::core
