#include "client/cli/metrics_view.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/text_proto.h"

namespace traind::client {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string Render(const v1::EvaluationMetrics& metrics, const std::vector<std::string>& names, int width = 100) {
  std::string text;
  for (const StyledLine& line : RenderMetrics(metrics, names, width))
    absl::StrAppend(&text, line.Render(200, false), "\n");
  return text;
}

TEST(MetricsViewTest, ShowsClassesAndTheirConfusion) {
  const auto metrics = FromText<v1::EvaluationMetrics>(R"(
      classification {
        top_k_accuracy: [0.75, 0.9, 1]
        classes { examples: 100 precision: 0.8 recall: 0.7 f1: 0.75 auc: 0.91 }
        classes { examples: 50 precision: 0.5 recall: 0.25 f1: 0.3333 }
        classes { examples: 0 }
        macro_precision: 0.65 macro_recall: 0.475 macro_f1: 0.54 macro_auc: 0.91
        log_loss: 0.5 calibration_error: 0.063
        confusion: [70, 28, 2, 30, 20, 0, 0, 0, 0]
        notes: "something is left out"
      })");
  EXPECT_EQ(Render(metrics, {"cat", "dog"}),
            "in the largest k  top-2 90.0 %  top-3 100.0 %\n"
            "mean of classes   precision 0.650  recall 0.475  F1 0.540  AUC 0.910\n"
            "log loss          0.5000\n"
            "calibration error 0.063\n"
            "\n"
            "CLASS  EXAMPLES  PRECISION  RECALL     F1    AUC\n"
            "cat         100      0.800   0.700  0.750  0.910\n"
            "dog          50      0.500   0.250  0.333      -\n"
            "2             0      0.000   0.000  0.000      -\n"
            "\n"
            "CONFUSION  rows: the class; columns: the answer\n"
            "       0  1  2\n"
            "0 cat 70 28  2\n"
            "1 dog 30 20  ·\n"
            "2      ·  ·  ·\n"
            "\n"
            "MOST FREQUENT MISTAKES\n"
            "  dog taken for cat: 30 (60.0 % of the class)\n"
            "  cat taken for dog: 28 (28.0 % of the class)\n"
            "  cat taken for 2: 2 (2.0 % of the class)\n"
            "something is left out\n");
}

TEST(MetricsViewTest, ShadesTheConfusionOfManyClasses) {
  v1::EvaluationMetrics metrics;
  for (int i = 0; i < 30; ++i) {
    for (int j = 0; j < 30; ++j) metrics.mutable_classification()->add_confusion(i == j ? 90 : j == i + 1 ? 10 : 0);
  }
  const std::string text = Render(metrics, {});
  EXPECT_THAT(text, HasSubstr("\n0  █▒····························\n"));
  EXPECT_THAT(text, HasSubstr("\n29 ·····························█\n"));
  EXPECT_THAT(Render(metrics, {}, 30), HasSubstr("does not fit here: --json has it"));
}

TEST(MetricsViewTest, ShowsTheErrorsOfTargets) {
  const auto metrics = FromText<v1::EvaluationMetrics>(R"(
      regression {
        targets { mean_absolute_error: 0.5 root_mean_squared_error: 1.5 r2: 0.25 }
        targets { mean_absolute_error: 2 root_mean_squared_error: 3 }
        mean_absolute_error: 1.25 root_mean_squared_error: 2.25 r2: 0.25
      })");
  const std::string text = Render(metrics, {});
  EXPECT_THAT(text, HasSubstr("errors            MAE 1.250  RMSE 2.250  R2 0.250\n"));
  EXPECT_THAT(text, HasSubstr("\n1        2.000  3.000      -\n"));
}

TEST(MetricsViewTest, OfManyClassesTheFirstAreListed) {
  v1::EvaluationMetrics metrics;
  for (int c = 0; c < 60; ++c) metrics.mutable_classification()->add_classes()->set_examples(c);
  EXPECT_THAT(Render(metrics, {}), HasSubstr("... and 10 classes more: --json has all of them"));
  EXPECT_EQ(Render(v1::EvaluationMetrics(), {}), "");
}

}  // namespace
}  // namespace traind::client
