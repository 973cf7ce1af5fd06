#include "core/base/evaluation_metric.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "google/protobuf/descriptor.h"

namespace traind::core {
namespace {

constexpr char kLoss[] = "loss";
constexpr char kAccuracy[] = "accuracy";
constexpr int kMostTopK = 10;
// The fields of these names in ClassificationMetrics and RegressionMetrics.
constexpr const char* kFields[] = {"macro_precision",
                                   "macro_recall",
                                   "macro_f1",
                                   "macro_auc",
                                   "log_loss",
                                   "calibration_error",
                                   "label_accuracy",
                                   "exact_match",
                                   "mean_absolute_error",
                                   "root_mean_squared_error",
                                   "r2"};
constexpr const char* kLowerIsBetter[] = {kLoss, "log_loss", "calibration_error", "mean_absolute_error",
                                          "root_mean_squared_error"};

std::optional<double> FieldOf(const google::protobuf::Message& message, absl::string_view name) {
  const auto* field = message.GetDescriptor()->FindFieldByName(std::string(name));
  if (field == nullptr) return std::nullopt;
  if (field->has_presence() && !message.GetReflection()->HasField(message, field)) return std::nullopt;
  return message.GetReflection()->GetDouble(message, field);
}

// k of "top_{k}_accuracy"; 0 for another name.
int TopK(absl::string_view name) {
  int k = 0;
  const bool fits = absl::ConsumePrefix(&name, "top_") && absl::ConsumeSuffix(&name, "_accuracy");
  return fits && absl::SimpleAtoi(name, &k) ? k : 0;
}

std::vector<std::string> AllNames() {
  std::vector<std::string> names = {kLoss, kAccuracy};
  for (int k = 2; k <= kMostTopK; ++k) names.push_back(absl::StrCat("top_", k, "_accuracy"));
  names.insert(names.end(), std::begin(kFields), std::end(kFields));
  return names;
}

}  // namespace

const std::vector<std::string>& EvaluationMetricNames() {
  static const auto* const kNames = new std::vector<std::string>(AllNames());
  return *kNames;
}

bool IsHigherBetter(absl::string_view name) {
  return !name.empty() &&
         std::find(std::begin(kLowerIsBetter), std::end(kLowerIsBetter), name) == std::end(kLowerIsBetter);
}

std::optional<double> MetricOf(const v1::EvaluationMetrics& evaluation, absl::string_view name) {
  if (name.empty() || name == kLoss) return evaluation.loss();
  if (name == kAccuracy) return evaluation.has_accuracy() ? std::optional(evaluation.accuracy()) : std::nullopt;
  if (const int k = TopK(name); k > 0) {
    const auto& shares = evaluation.classification().top_k_accuracy();
    return k <= shares.size() ? std::optional(shares.Get(k - 1)) : std::nullopt;
  }
  if (evaluation.has_classification()) return FieldOf(evaluation.classification(), name);
  if (evaluation.has_regression()) return FieldOf(evaluation.regression(), name);
  return std::nullopt;
}

std::optional<double> MetricOf(const v1::CheckpointManifest& manifest) {
  const std::string& metric = manifest.spec().checkpoint().best_metric();
  if (metric.empty() || metric == kLoss) {
    return manifest.has_evaluation_loss() ? std::optional(manifest.evaluation_loss()) : std::nullopt;
  }
  return manifest.has_evaluation_value() ? std::optional(manifest.evaluation_value()) : std::nullopt;
}

bool IsBetter(absl::string_view name, std::optional<double> value, std::optional<double> best) {
  if (!value.has_value() || !std::isfinite(*value)) return false;
  if (!best.has_value() || std::isnan(*best)) return true;
  return IsHigherBetter(name) ? *value > *best : *value < *best;
}

}  // namespace traind::core
