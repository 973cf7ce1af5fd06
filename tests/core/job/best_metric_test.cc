#include "core/job/best_metric.h"

#include <cmath>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "core/base/evaluation_metric.h"
#include "core/job/resolve.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/datasets.h"
#include "tests/support/text_proto.h"

namespace traind::core {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr char kClassifier[] = "network { layers { name: 'out' dense { units: 10 } } } data { dataset: 'images' } ";
constexpr char kRegression[] = "network { layers { name: 'out' dense { units: 1 } } } data { dataset: 'prices' } ";

ResolvedJob ResolveBest(const std::string& text, FieldErrors::Root& errors) {
  const auto spec = FromText<v1::JobSpec>(text);
  const auto dataset = FindTestDataset(spec.data().dataset());
  return *ResolveJob(spec, &*dataset, 4, errors.scope());
}

std::string MetricFor(const std::string& text) {
  FieldErrors::Root errors;
  const ResolvedJob job = ResolveBest(text, errors);
  EXPECT_TRUE(errors.ok()) << errors.ToStatus();
  return job.spec.checkpoint().best_metric();
}

std::string Refusal(const std::string& text) {
  FieldErrors::Root errors;
  ResolveBest(text, errors);
  return std::string(errors.ToStatus().message());
}

TEST(BestMetric, IsTheLossUnlessAJobNamesAnother) {
  EXPECT_EQ(MetricFor(kClassifier), "loss");
  EXPECT_EQ(MetricFor(absl::StrCat(kClassifier, "checkpoint { best_metric: 'macro_f1' }")), "macro_f1");
  EXPECT_EQ(MetricFor(absl::StrCat(kClassifier, "checkpoint { best_metric: 'classification.macro_f1' }")), "macro_f1");
  EXPECT_EQ(MetricFor(absl::StrCat(kRegression, "checkpoint { best_metric: 'regression.r2' }")), "r2");
}

TEST(BestMetric, WhatTheJobCannotHaveIsRefusedWithWhatItCan) {
  EXPECT_THAT(
      Refusal(absl::StrCat(kRegression, "checkpoint { best_metric: 'accuracy' }")),
      HasSubstr("checkpoint.best_metric: \"accuracy\" is not among the numbers of this job's evaluations, which "
                "are: loss, mean_absolute_error, root_mean_squared_error, r2"));
  EXPECT_THAT(Refusal(absl::StrCat(kClassifier, "checkpoint { best_metric: 'r2' }")),
              HasSubstr("which are: loss, accuracy, top_2_accuracy, "));
  EXPECT_THAT(Refusal(absl::StrCat(kClassifier, "checkpoint { best_metric: 'f1' }")), HasSubstr("macro_f1"));
  EXPECT_THAT(Refusal("network { layers { name: 'out' dense { units: 10 } } } "
                      "data { dataset: 'images' evaluation_split: 'none' } checkpoint { best_metric: 'accuracy' }"),
              HasSubstr("needs an evaluation"));
}

TEST(BestMetric, EarlyStoppingGoesByIt) {
  FieldErrors::Root errors;
  const auto metric = [&](const std::string& more) {
    return ResolveBest(absl::StrCat(kClassifier, more), errors).spec.early_stopping().metric();
  };
  EXPECT_EQ(metric("early_stopping { patience: 2 }"), v1::EarlyStopping::METRIC_EVALUATION_LOSS);
  EXPECT_EQ(metric("early_stopping { patience: 2 metric: METRIC_BEST }"), v1::EarlyStopping::METRIC_EVALUATION_LOSS);
  EXPECT_EQ(metric("early_stopping { patience: 2 } checkpoint { best_metric: 'macro_f1' }"),
            v1::EarlyStopping::METRIC_BEST);
  EXPECT_EQ(metric("early_stopping { patience: 2 metric: METRIC_EVALUATION_LOSS } checkpoint { best_metric: 'r2' }"),
            v1::EarlyStopping::METRIC_EVALUATION_LOSS);
  EXPECT_EQ(metric("early_stopping { patience: 2 } checkpoint { best_metric: 'classification.loss' }"),
            v1::EarlyStopping::METRIC_EVALUATION_LOSS)
      << "the loss, whatever stands before it";
}

TEST(BestMetric, TheDirectionIsThatOfTheNumber) {
  for (const std::string& name : EvaluationMetricNames()) {
    const bool error = name == "loss" || name.ends_with("_loss") || name.ends_with("_error");
    EXPECT_EQ(IsHigherBetter(name), !error) << name;
    EXPECT_EQ(IsBetter(name, 0.5, 0.25), !error) << name;
    EXPECT_EQ(IsBetter(name, 0.25, 0.5), error) << name;
    EXPECT_FALSE(IsBetter(name, 0.5, 0.5)) << name;
    EXPECT_TRUE(IsBetter(name, 0.5, std::nullopt)) << name;
    EXPECT_TRUE(IsBetter(name, 0.5, std::nan(""))) << name;
    EXPECT_FALSE(IsBetter(name, std::nan(""), std::nullopt)) << name;
    EXPECT_FALSE(IsBetter(name, std::nullopt, std::nullopt)) << name;
  }
}

TEST(BestMetric, TheNumberIsThatOfTheField) {
  const auto evaluation = FromText<v1::EvaluationMetrics>(
      "loss: 1 accuracy: 2 classification { top_k_accuracy: [2, 3, 4] macro_f1: 5 log_loss: 6 label_accuracy: 7 }");
  EXPECT_EQ(MetricOf(evaluation, ""), 1);
  EXPECT_EQ(MetricOf(evaluation, "loss"), 1);
  EXPECT_EQ(MetricOf(evaluation, "accuracy"), 2);
  EXPECT_EQ(MetricOf(evaluation, "top_3_accuracy"), 4);
  EXPECT_EQ(MetricOf(evaluation, "top_4_accuracy"), std::nullopt);
  EXPECT_EQ(MetricOf(evaluation, "macro_f1"), 5);
  EXPECT_EQ(MetricOf(evaluation, "macro_auc"), std::nullopt) << "absent is none, not 0";
  EXPECT_EQ(MetricOf(evaluation, "r2"), std::nullopt);
  EXPECT_EQ(MetricOf(FromText<v1::EvaluationMetrics>("regression { mean_absolute_error: 3 }"), "mean_absolute_error"),
            3);
}

TEST(BestMetric, ManyClassesHaveNoNumbersOfEach) {
  const auto names = MetricsToHave({.meaning = OutputMeaning::kLogits, .labels = true, .outputs = 2000, .examples = 9});
  EXPECT_THAT(names, Contains("accuracy"));
  EXPECT_THAT(names, Not(Contains("macro_f1")));
  EXPECT_THAT(names, Not(Contains("macro_auc")));
  EXPECT_THAT(MetricsToHave({.meaning = OutputMeaning::kLogits, .outputs = 3, .examples = 9}), ElementsAre("loss"))
      << "soft labels";
}

}  // namespace
}  // namespace traind::core
