// Evaluations that no longer become better.
#include <algorithm>

#include "gmock/gmock.h"
#include "tests/support/insight_log.h"

namespace traind::core {
namespace {

// Evaluates every 50 steps of 600; the loss falls until `best`.
void EvaluateUntil(InsightLog& log, uint64_t best, uint64_t last = 600) {
  for (uint64_t step = 50; step <= last; step += 50) {
    log.Run(step, InsightLog::Falls, log.Report());
    log.Evaluation(step, InsightLog::Falls(std::min(step, best)));
  }
}

TEST(Overtraining, WhatCameSinceTheBestIsSaid) {
  InsightLog log;
  EvaluateUntil(log, 200);
  const v1::Finding finding = log.Find("overtraining/test");
  EXPECT_EQ(finding.state(), v1::Finding::STATE_OPEN);
  EXPECT_EQ(finding.severity(), v1::Finding::SEVERITY_INFO);
  // 250 of 600 steps is the first share above 0.4.
  EXPECT_EQ(finding.first_step(), 450u);
  EXPECT_THAT(finding.cause(), testing::HasSubstr("since step 200"));
  EXPECT_TRUE(finding.fix().patch().early_stopping().restore_best());
}

TEST(Overtraining, ABestNearTheEndIsNone) {
  InsightLog log;
  EvaluateUntil(log, 450);
  EXPECT_FALSE(log.IsOpen("overtraining/test"));
}

TEST(Overtraining, EarlyStoppingHasAPatienceOfItsOwn) {
  InsightLog log(std::string(kHealthyJob) + " early_stopping { patience: 100 }");
  EvaluateUntil(log, 200);
  EXPECT_FALSE(log.IsOpen("overtraining/test"));
}

}  // namespace
}  // namespace traind::core
