// CheckpointSpec.best_metric: which of an evaluation's numbers a job can have. Pure; thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/errors.h"
#include "core/kinds/loss.h"
#include "traind/v1/dataset.pb.h"
#include "traind/v1/job.pb.h"

namespace traind::core {

// What decides which numbers there are (core/train/metrics.h makes them).
struct Measured {
  OutputMeaning meaning = OutputMeaning::kValues;
  bool labels = false;        // Targets are class labels; else rows of floats,
  bool reconstructs = false;  // which are the network's input.
  int64_t outputs = 0;
  int64_t examples = 0;
};

// The names of those that such evaluations have, in the order of EvaluationMetricNames.
std::vector<std::string> MetricsToHave(const Measured& measured);

// "classification.macro_f1", the path in EvaluationMetrics, becomes "macro_f1".
void ShortenBestMetric(v1::CheckpointSpec& checkpoint);

// Checks checkpoint.best_metric, as ShortenBestMetric leaves it, of a spec whose data, loss and early stopping are
// resolved, for a network of `outputs` numbers, and fills in its default. `dataset` is as AsCompared gives it. `errors`
// is the scope of the spec.
void ResolveBestMetric(v1::JobSpec& spec, const v1::Dataset& dataset, int64_t outputs, const FieldErrors& errors);

}  // namespace traind::core
