// The numbers of an evaluation by which the best one can be chosen: CheckpointSpec.best_metric. Pure; thread-safe.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "traind/v1/checkpoint.pb.h"
#include "traind/v1/event.pb.h"

namespace traind::core {

// All of them, in the order of event.proto: "loss", "accuracy", "top_2_accuracy", ..., "r2".
const std::vector<std::string>& EvaluationMetricNames();

// --- `name` is one of them; empty is the loss.

bool IsHigherBetter(absl::string_view name);
// The number; nullopt where the evaluation does not have it.
std::optional<double> MetricOf(const v1::EvaluationMetrics& evaluation, absl::string_view name);
// Of the evaluation of a checkpoint's weights, by its job's best_metric; nullopt without one.
std::optional<double> MetricOf(const v1::CheckpointManifest& manifest);
// Whether `value` is better than `best`: what is not finite never is, and every number is better than nullopt or such.
bool IsBetter(absl::string_view name, std::optional<double> value, std::optional<double> best);

}  // namespace traind::core
