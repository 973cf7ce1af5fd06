// What is said of outputs, against scikit-learn on the same ones (tests/golden/record_metrics.py).
#include "core/train/metrics.h"

#include <malloc.h>

#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/job/metrics_size.h"
#include "gmock/gmock.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"
#include "tests/support/text_proto.h"

namespace traind::core {
namespace {

constexpr int64_t kExamples = 200;

const std::map<std::string, std::string>& RecordedMetrics() {
  static const std::map<std::string, std::string> recorded = {
#include "tests/core/train/recorded_metrics.inc"
  };
  return recorded;
}

int32_t LabelAt(int64_t i) { return static_cast<int32_t>(i * i % 7); }

// The formula of record_metrics.py; `labels` raise the output of the example's class.
std::vector<float> OutputsOf(int64_t columns, bool ties, bool labels) {
  std::vector<float> x;
  for (int64_t i = 0; i < kExamples; ++i) {
    for (int64_t c = 0; c < columns; ++c) {
      double v = 2 * std::sin(1.0 + 7 * static_cast<double>(i) + 3 * static_cast<double>(c));
      if (labels && c == LabelAt(i)) v += 1;
      x.push_back(static_cast<float>(ties ? std::nearbyint(4 * v) / 4 : v));
    }
  }
  return x;
}

// In parts of 64, as an evaluation adds them.
v1::EvaluationMetrics Measure(const Metrics::Task& task, const std::vector<float>& x, const Targets& targets) {
  const auto metrics = Metrics::For(task);
  for (int64_t first = 0; first < task.examples; first += 64) {
    Targets part;
    if (targets.labels != nullptr) part.labels = targets.labels + first;
    if (targets.values != nullptr) part.values = targets.values + first * task.outputs;
    metrics->Add(x.data() + first * task.outputs, part, std::min<int64_t>(64, task.examples - first));
  }
  v1::EvaluationMetrics report;
  metrics->Report(report);
  return report;
}

void ExpectRecorded(const std::string& name, v1::EvaluationMetrics actual) {
  if (actual.has_classification()) actual.mutable_classification()->clear_notes();
  const auto expected = FromText<v1::EvaluationMetrics>(RecordedMetrics().at(name));
  google::protobuf::util::MessageDifferencer differencer;
  google::protobuf::util::DefaultFieldComparator comparator;
  comparator.set_float_comparison(google::protobuf::util::DefaultFieldComparator::APPROXIMATE);
  comparator.SetDefaultFractionAndMargin(1e-6, 1e-7);
  differencer.set_field_comparator(&comparator);
  std::string differences;
  differencer.ReportDifferencesToString(&differences);
  EXPECT_TRUE(differencer.Compare(expected, actual)) << name << "\n" << differences;
}

std::vector<int32_t> LabelsOf(int32_t below) {
  std::vector<int32_t> labels;
  for (int64_t i = 0; i < kExamples; ++i) labels.push_back(LabelAt(i) % below);
  return labels;
}

TEST(MetricsTest, ClassesAreToldApartAsScikitLearnSays) {
  const std::vector<float> x = OutputsOf(5, /*ties=*/false, /*labels=*/true);
  const std::vector<int32_t> labels = LabelsOf(7);
  Metrics::Task task{.meaning = OutputMeaning::kLogits, .labels = true, .outputs = 5, .examples = kExamples};
  ExpectRecorded("logits", Measure(task, x, {.labels = labels.data()}));
  task.meaning = OutputMeaning::kScores;
  ExpectRecorded("scores", Measure(task, x, {.labels = labels.data()}));
}

TEST(MetricsTest, OneOutputTellsTwoClassesApart) {
  const std::vector<float> x = OutputsOf(1, /*ties=*/true, /*labels=*/false);
  const std::vector<int32_t> labels = LabelsOf(2);
  const Metrics::Task task{.meaning = OutputMeaning::kLogOdds, .labels = true, .outputs = 1, .examples = kExamples};
  ExpectRecorded("one_output", Measure(task, x, {.labels = labels.data()}));
}

TEST(MetricsTest, ManyLabelsAreClassesOfTheirOwn) {
  const std::vector<float> x = OutputsOf(3, /*ties=*/true, /*labels=*/false);
  std::vector<float> targets;
  for (int64_t i = 0; i < kExamples; ++i) {
    for (int64_t c = 2; c <= 4; ++c) targets.push_back(i % c == 0 ? 1.0f : 0.0f);
  }
  const Metrics::Task task{.meaning = OutputMeaning::kLogOdds, .outputs = 3, .examples = kExamples};
  ExpectRecorded("many_labels", Measure(task, x, {.values = targets.data()}));
}

TEST(MetricsTest, ErrorsOfNumbersAreThoseOfScikitLearn) {
  const std::vector<float> logs = OutputsOf(3, /*ties=*/false, /*labels=*/false);
  std::vector<float> x = logs, targets;
  for (int64_t i = 0; i < kExamples; ++i) {
    const auto t = static_cast<double>(i);
    targets.push_back(static_cast<float>(double{logs[3 * i]} + 0.5 * std::cos(t)));
    targets.push_back(static_cast<float>(1e5 + std::cos(3 * t)));
    targets.push_back(2);
    x[3 * i + 1] += 1e5f;
  }
  Metrics::Task task{.meaning = OutputMeaning::kValues, .outputs = 3, .examples = kExamples};
  ExpectRecorded("numbers", Measure(task, x, {.values = targets.data()}));
  task.meaning = OutputMeaning::kLogRates;
  ExpectRecorded("counts", Measure(task, logs, {.values = targets.data()}));
}

TEST(MetricsTest, AnAnswerThatIsNoNumberIsWrong) {
  const float nan = std::nanf("");
  const std::vector<float> x = {nan, 1, 2, 1};
  const std::vector<int32_t> labels = {0, 0};
  const auto metrics = Measure({.meaning = OutputMeaning::kLogits, .labels = true, .outputs = 2, .examples = 2}, x,
                               {.labels = labels.data()})
                           .classification();
  EXPECT_THAT(metrics.top_k_accuracy(), testing::ElementsAre(0.5, 0.5));
  EXPECT_THAT(metrics.confusion(), testing::ElementsAre(1, 0, 0, 0));
  EXPECT_EQ(metrics.classes(0).recall(), 0.5);
  EXPECT_FALSE(metrics.has_macro_auc());
  EXPECT_TRUE(std::isnan(metrics.log_loss()));
}

TEST(MetricsTest, WhatIsTooLargeIsLeftOutAndSaid) {
  const std::vector<int32_t> labels = {0, 1};
  const auto of = [&](int64_t outputs) {
    const std::vector<float> x(static_cast<size_t>(2 * outputs));
    return Measure({.meaning = OutputMeaning::kLogits, .labels = true, .outputs = outputs, .examples = 2}, x,
                   {.labels = labels.data()})
        .classification();
  };
  EXPECT_EQ(of(100).confusion_size(), 100 * 100);
  EXPECT_EQ(of(100).notes_size(), 0);
  EXPECT_EQ(of(101).confusion_size(), 0);
  EXPECT_THAT(of(101).notes(), testing::ElementsAre(testing::HasSubstr("no confusion matrix")));
  EXPECT_EQ(of(1000).classes_size(), 1000);
  EXPECT_TRUE(of(1000).has_macro_auc());
  EXPECT_EQ(of(1001).classes_size(), 0);
  EXPECT_EQ(of(1001).notes_size(), 3);
  EXPECT_EQ(of(1001).top_k_accuracy_size(), 10);
}

// What a job is admitted with, against what malloc gives; to sort the scores of one class takes twelve bytes of each
// more, which come and go.
TEST(MetricsTest, TakeNoMoreThanIsReserved) {
#ifdef TRAIND_SANITIZED
  GTEST_SKIP() << "a sanitizer's malloc answers mallinfo2 with zeros";
#endif
  const auto from_malloc = [] {
    const struct mallinfo2 info = mallinfo2();
    return static_cast<int64_t>(info.uordblks + info.hblkhd);
  };
  for (const auto& [outputs, examples] : {std::pair(10, 20000), std::pair(100, 5000), std::pair(1000, 100)}) {
    const std::vector<float> x(static_cast<size_t>(outputs * examples));
    const std::vector<int32_t> labels(static_cast<size_t>(examples));
    const int64_t before = from_malloc();
    const auto metrics =
        Metrics::For({.meaning = OutputMeaning::kLogits, .labels = true, .outputs = outputs, .examples = examples});
    metrics->Add(x.data(), {.labels = labels.data()}, examples);
    v1::EvaluationMetrics report;
    metrics->Report(report);
    const int64_t taken = from_malloc() - before + 12 * examples;
    const int64_t reserved = MetricsBytes(OutputMeaning::kLogits, outputs, examples);
    EXPECT_LE(taken, reserved) << outputs;
    EXPECT_GE(taken, reserved / 2) << outputs << ": no more than needed";
  }
}

TEST(MetricsTest, SoftLabelsHaveNone) {
  EXPECT_EQ(Metrics::For({.meaning = OutputMeaning::kLogits, .outputs = 3, .examples = 1}), nullptr);
  const float target = 0.75f;
  const auto reconstruction =
      Measure({.meaning = OutputMeaning::kLogOdds, .reconstructs = true, .outputs = 1, .examples = 1}, {0},
              {.values = &target});
  EXPECT_EQ(reconstruction.regression().mean_absolute_error(), 0.25);
}

}  // namespace
}  // namespace traind::core
