// The rule of which numbers an evaluation has (core/job/best_metric.h), against the evaluations that there are.
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "core/base/evaluation_metric.h"
#include "core/job/best_metric.h"
#include "core/train/metrics.h"
#include "gtest/gtest.h"

namespace traind::core {
namespace {

constexpr int64_t kCount = 24;

// Of outputs that vary, with targets that both classes, and different numbers, have.
v1::EvaluationMetrics EvaluationOf(const Measured& measured) {
  v1::EvaluationMetrics evaluation;
  evaluation.set_loss(1);
  if (measured.labels) evaluation.set_accuracy(0.5);
  const auto metrics = Metrics::For({.meaning = measured.meaning,
                                     .labels = measured.labels,
                                     .reconstructs = measured.reconstructs,
                                     .outputs = measured.outputs,
                                     .examples = measured.examples});
  if (metrics == nullptr) return evaluation;
  std::vector<float> outputs, values;
  std::vector<int32_t> labels;
  const int64_t classes = ClassesOf(measured.meaning, measured.outputs);
  for (int64_t i = 0; i < kCount; ++i) {
    labels.push_back(static_cast<int32_t>(i % classes));
    for (int64_t c = 0; c < measured.outputs; ++c) {
      outputs.push_back(static_cast<float>(std::sin(5.0 * static_cast<double>(i + 3 * c))));
      values.push_back((i + c) % 2 == 0 ? 1.0f : 0.0f);
    }
  }
  Targets targets;
  if (measured.labels) targets.labels = labels.data();
  if (!measured.labels) targets.values = values.data();
  metrics->Add(outputs.data(), targets, kCount);
  metrics->Report(evaluation);
  return evaluation;
}

TEST(MetricsToHaveTest, IsWhatEvaluationsSay) {
  int seen = 0;
  for (const auto meaning : {OutputMeaning::kLogits, OutputMeaning::kLogOdds, OutputMeaning::kScores,
                             OutputMeaning::kLogRates, OutputMeaning::kValues}) {
    for (const bool labels : {false, true}) {
      for (const bool reconstructs : {false, true}) {
        for (const int64_t outputs : {1, 2, 3, 12, 1001}) {
          if (reconstructs && labels) continue;
          const Measured measured{.meaning = meaning,
                                  .labels = labels,
                                  .reconstructs = reconstructs,
                                  .outputs = outputs,
                                  .examples = kCount};
          if (labels && outputs == 1 && meaning != OutputMeaning::kLogOdds) continue;  // One class.
          const v1::EvaluationMetrics evaluation = EvaluationOf(measured);
          const std::vector<std::string> names = MetricsToHave(measured);
          for (const std::string& name : EvaluationMetricNames()) {
            const bool promised = std::find(names.begin(), names.end(), name) != names.end();
            EXPECT_EQ(MetricOf(evaluation, name).has_value(), promised)
                << name << " of outputs " << outputs << ", meaning " << static_cast<int>(meaning) << ", labels "
                << labels << ", reconstructs " << reconstructs;
            seen += promised ? 1 : 0;
          }
        }
      }
    }
  }
  EXPECT_GT(seen, 300);
}

}  // namespace
}  // namespace traind::core
