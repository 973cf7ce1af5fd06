#include "core/job/best_metric.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "core/base/evaluation_metric.h"
#include "core/base/registry.h"
#include "core/data/held_out.h"
#include "core/job/fits.h"
#include "core/job/metrics_size.h"
#include "core/job/resolve_splits.h"

namespace traind::core {
namespace {

constexpr int64_t kMostTopK = 10;

bool HasProbabilities(const Measured& measured) {
  if (measured.labels) {
    return measured.meaning == OutputMeaning::kLogits || IsBinary(measured.meaning, measured.outputs);
  }
  return measured.meaning == OutputMeaning::kLogOdds;
}

bool TellsClasses(const Measured& measured) {
  return measured.labels || (measured.meaning == OutputMeaning::kLogOdds && !measured.reconstructs);
}

bool TellsNumbers(const Measured& measured) {
  const bool numbers = measured.meaning == OutputMeaning::kValues || measured.meaning == OutputMeaning::kLogRates ||
                       measured.meaning == OutputMeaning::kLogOdds;
  return !TellsClasses(measured) && numbers;
}

bool Has(const Measured& measured, const std::string& name) {
  const int64_t classes = ClassesOf(measured.meaning, measured.outputs);
  if (name == "loss") return true;
  if (name == "accuracy") return measured.labels;
  for (int64_t k = 2; k <= kMostTopK; ++k) {
    if (name == absl::StrCat("top_", k, "_accuracy")) return measured.labels && k <= classes;
  }
  if (name == "macro_auc") return TellsClasses(measured) && KeepsScores(classes, measured.examples);
  if (absl::StartsWith(name, "macro_")) return TellsClasses(measured) && classes <= kMostClassMetrics;
  if (name == "log_loss" || name == "calibration_error") return TellsClasses(measured) && HasProbabilities(measured);
  if (name == "label_accuracy" || name == "exact_match") return TellsClasses(measured) && !measured.labels;
  return TellsNumbers(measured);
}

}  // namespace

std::vector<std::string> MetricsToHave(const Measured& measured) {
  std::vector<std::string> names = EvaluationMetricNames();
  names.erase(std::remove_if(names.begin(), names.end(), [&](const auto& name) { return !Has(measured, name); }),
              names.end());
  return names;
}

void ShortenBestMetric(v1::CheckpointSpec& checkpoint) {
  absl::string_view name = checkpoint.best_metric();
  if (!absl::ConsumePrefix(&name, "classification.")) absl::ConsumePrefix(&name, "regression.");
  checkpoint.set_best_metric(std::string(name));
}

void ResolveBestMetric(v1::JobSpec& spec, const v1::Dataset& dataset, int64_t outputs, const FieldErrors& errors) {
  std::string& metric = *spec.mutable_checkpoint()->mutable_best_metric();
  const FieldErrors at = errors.At("checkpoint").At("best_metric");
  if (metric.empty()) metric = "loss";
  v1::Loss config = spec.loss();
  FieldErrors::Root reported;
  const auto loss = Registry<Loss>::Get().Create(config, reported.scope());
  if (loss == nullptr) return;
  const std::vector<std::string> names =
      MetricsToHave({.meaning = loss->output_meaning(),
                     .labels = HasLabels(dataset),
                     .reconstructs = spec.data().targets() == v1::TARGET_SOURCE_INPUT,
                     .outputs = outputs,
                     .examples = NumEvaluated(spec.data(), dataset)});
  if (std::find(names.begin(), names.end(), metric) == names.end()) {
    at.Add(absl::StrCat("\"", metric, "\" is not among the numbers of this job's evaluations, which are: ",
                        absl::StrJoin(names, ", ")));
  } else if (metric != "loss" && !Evaluates(spec.data())) {
    at.Add(
        "needs an evaluation, and data.evaluation_split is \"none\" or the dataset has none: say "
        "data.validation_fraction: 0.1");
  }
}

}  // namespace traind::core
