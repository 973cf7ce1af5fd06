// An evaluation loss that goes up while the training loss goes down.
#include <algorithm>

#include "gmock/gmock.h"
#include "tests/support/insight_log.h"

namespace traind::core {
namespace {

void Evaluate(InsightLog& log, double slope) {
  for (uint64_t step = 100; step <= 1000; step += 100) {
    log.Run(step, InsightLog::Falls, log.Report());
    const auto late = static_cast<double>(step > 400 ? step - 400 : 0);
    log.Evaluation(step, InsightLog::Falls(std::min<uint64_t>(step, 400)) + slope * late);
  }
}

TEST(Overfitting, AnEvaluationLossThatGoesUpIsSaidOfItsSplit) {
  InsightLog log;
  Evaluate(log, 0.002);
  const v1::Finding finding = log.Find("overfitting/test");
  EXPECT_EQ(finding.severity(), v1::Finding::SEVERITY_WARNING);
  EXPECT_EQ(finding.split(), "test");
  EXPECT_EQ(finding.slide(), 68u);
  EXPECT_TRUE(finding.fix().patch().early_stopping().restore_best());
}

TEST(Overfitting, OneThatStandsStillIsNone) {
  InsightLog log;
  Evaluate(log, 0);
  EXPECT_FALSE(log.IsOpen("overfitting/test"));
}

// Of a training that is still worse than the evaluation nothing was learned by heart.
TEST(Overfitting, AnEvaluationThatIsBetterThanTheTrainingIsNone) {
  for (const double training : {0.8, 0.1}) {
    InsightLog log;
    for (uint64_t step = 100; step <= 1000; step += 100) {
      log.Run(
          step, [&](uint64_t at) { return training * 600 / (200 + static_cast<double>(at)); }, log.Report());
      log.Evaluation(step, step < 500 ? 0.02 : 0.35);
    }
    EXPECT_EQ(log.Find("overfitting/test").severity() == v1::Finding::SEVERITY_WARNING, training < 0.2);
  }
}

// Of few examples: all of them are known by heart, and nothing of it holds for others.
TEST(Overfitting, AnEvaluationLossThatStaysHighIsSaidWhereTheTrainingLossGoesToNothing) {
  for (const double evaluation : {1.8, 0.3}) {
    InsightLog log;
    for (uint64_t step = 50; step <= 600; step += 50) {
      log.Run(
          step, [](uint64_t at) { return 2.3 / static_cast<double>(at); }, log.Report());
      log.Evaluation(step, evaluation);
    }
    ASSERT_EQ(log.IsOpen("overfitting/test"), evaluation > 1) << "of ln 10 = 2.3";
    if (evaluation < 1) continue;
    EXPECT_EQ(log.Find("overfitting/test").severity(), v1::Finding::SEVERITY_WARNING);
    EXPECT_FALSE(log.Find("overfitting/test").fix().has_patch()) << "stopping early does not help";
  }
}

}  // namespace
}  // namespace traind::core
