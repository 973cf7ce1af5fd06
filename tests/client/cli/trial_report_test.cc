#include "client/cli/trial_report.h"

#include <gmock/gmock.h>

#include <cmath>

#include "client/cli/curves.h"
#include "tests/support/text_proto.h"

namespace traind::client {
namespace {

using ::testing::HasSubstr;

TrialRecord TrialOf(double loss, double wobble = 0, uint64_t first = 0) {
  TrialRecord record;
  record.first_step = first;
  record.step = first + 100;
  record.state = v1::JOB_STATE_PAUSED;
  for (uint64_t step = first + 5; step <= first + 100; step += 5) {
    TrialPoint& point = record.points.emplace_back();
    point.step = step;
    point.step_ms = 10 * loss;
    point.train.set_loss(step <= first + 75 ? 100 : loss + (step % 10 == 0 ? wobble : -wobble));
  }
  return record;
}

void AddEvaluation(TrialRecord& record, uint64_t step, double loss, double accuracy) {
  v1::EvaluationMetrics& metrics = record.evaluations.emplace_back(step, v1::EvaluationMetrics()).second;
  metrics.set_loss(loss);
  metrics.set_accuracy(accuracy);
}

TEST(TrialReport, TheLastQuarterIsCompared) {
  EXPECT_EQ(LastTrainLoss(TrialOf(0.5), 100), 0.5);
  EXPECT_EQ(LastTrainLoss(TrialOf(0.5, 0, 40), 140), 0.5);
  EXPECT_EQ(LastTrainLoss(TrialOf(0.5), 60), 100);
  EXPECT_EQ(LastTrainLoss(TrialRecord(), 60), std::nullopt);
}

TEST(TrialReport, AGainMustBeLargerThanAFiftiethAndItsNoise) {
  const auto helps = [](const TrialRecord& with, const TrialRecord& without) {
    return Judge(with, without, Measure::kTrainLoss, 100, false).helps;
  };
  EXPECT_TRUE(helps(TrialOf(0.97), TrialOf(1)));
  EXPECT_FALSE(helps(TrialOf(0.99), TrialOf(1)));
  EXPECT_FALSE(helps(TrialOf(1.5), TrialOf(1)));
  EXPECT_FALSE(helps(TrialOf(1), TrialOf(1)));
  EXPECT_TRUE(helps(TrialOf(0.8, 0.1), TrialOf(1, 0.1))) << "the same noise in both is none of the difference";
  EXPECT_FALSE(helps(TrialOf(0.8, 1), TrialOf(1, -1)));
  EXPECT_TRUE(helps(TrialOf(-3), TrialOf(-2))) << "a loss may be below 0";
  EXPECT_TRUE(helps(TrialOf(1), TrialOf(NAN)));
  EXPECT_FALSE(helps(TrialOf(NAN), TrialOf(1)));
  EXPECT_THAT(Judge(TrialRecord(), TrialOf(1), Measure::kTrainLoss, 100, false).sentence, HasSubstr("not proven"));
}

TEST(TrialReport, OneThatEndedEarlierIsComparedThere) {
  TrialRecord early = TrialOf(0.5);
  early.step = 90;
  EXPECT_EQ(Judge(early, TrialOf(1), Measure::kTrainLoss, 100, false).step, 90u);
}

TEST(TrialReport, AnEvaluationIsJudgedByItsBestWhereThatIsWhatTheJobGives) {
  TrialRecord with = TrialOf(1), without = TrialOf(1);
  for (const uint64_t step : {25, 50, 75, 100}) {
    AddEvaluation(with, step, 0.2 + static_cast<double>(step) / 100, 0.5);
    AddEvaluation(without, step, 0.2 + static_cast<double>(step) / 100, 0.5);
  }
  EXPECT_FALSE(Judge(with, without, Measure::kEvaluationLoss, 100, false).helps);
  const Verdict best = Judge(with, without, Measure::kEvaluationLoss, 100, true);
  EXPECT_TRUE(best.helps);
  EXPECT_THAT(best.sentence, HasSubstr("evaluation loss 0.4500 instead of 1.200"));
  AddEvaluation(with, 100, 9, 0.9);
  EXPECT_THAT(Judge(with, without, Measure::kAccuracy, 100, false).sentence,
              HasSubstr("the fix helps: evaluation accuracy 90.0 % instead of 50.0 %"));
}

TEST(TrialReport, BalancedClassesMayCostAccuracy) {
  TrialRecord with = TrialOf(1), without = TrialOf(1);
  AddEvaluation(with, 100, 0.5, 0.9);
  AddEvaluation(without, 100, 0.5, 0.95);
  EXPECT_THAT(Judge(with, without, Measure::kMacroRecall, 100, false).sentence, HasSubstr("not proven"));
  with.evaluations.back().second.mutable_classification()->set_macro_recall(0.8);
  without.evaluations.back().second.mutable_classification()->set_macro_recall(0.5);
  const Verdict verdict = Judge(with, without, Measure::kMacroRecall, 100, false);
  EXPECT_TRUE(verdict.helps);
  EXPECT_THAT(verdict.sentence, HasSubstr("mean recall of the evaluation's classes 80.0 % instead of 50.0 %"));
}

TEST(TrialReport, WhatIsMeasuredFollowsFromTheFinding) {
  const auto of = [](const std::string& text) { return MeasureOf(FromText<v1::Finding>(text)); };
  EXPECT_EQ(of("rule: 'dead_relu' fix { mask { paths: 'network' } }"), Measure::kTrainLoss);
  EXPECT_EQ(of("rule: 'waiting_for_data' fix { mask { paths: 'data.prefetch_threads' } }"), Measure::kStepTime);
  EXPECT_EQ(of("rule: 'overfitting' fix { mask { paths: 'early_stopping' } }"), Measure::kEvaluationLoss);
  EXPECT_EQ(of("rule: 'x' split: 'test' fix { mask { paths: 'network' } }"), Measure::kEvaluationLoss);
  EXPECT_EQ(of("rule: 'x' fix { mask { paths: 'loss.softmax_cross_entropy' } }"), Measure::kAccuracy);
  EXPECT_EQ(of("rule: 'class_imbalance' fix { mask { paths: 'loss' } }"), Measure::kMacroRecall);
  EXPECT_TRUE(Judge(TrialOf(0.5), TrialOf(1), Measure::kStepTime, 100, false).helps);
}

TEST(Curves, ShareOneScale) {
  const std::string text = RenderCurves(
      {{.name = "a", .points = {{0, 1}, {50, 0.5}, {100, 0}}}, {.name = "b", .points = {{0, 1}, {50, 1}, {100, NAN}}}},
      20, 3);
  EXPECT_EQ(text,
            "    1.000 │●●○○○   !\n"
            "          │  ●●●●\n"
            "        0 │      ●●●\n"
            "     step  0     100\n"
            "           ● a   ○ b\n");
  EXPECT_EQ(RenderCurves({}, 20, 3), "");
  EXPECT_EQ(RenderCurves({{.name = "a", .points = {{0, NAN}}}}, 20, 3), "");
}

}  // namespace
}  // namespace traind::client
