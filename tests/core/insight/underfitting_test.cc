// A loss that is still high at the end.
#include "gmock/gmock.h"
#include "tests/support/insight_log.h"

namespace traind::core {
namespace {

// Falls from 2.3 to 1.6 in the first half, which is 0.7 of ln(10), and stands there.
double StandsAt(uint64_t step) { return step < 300 ? 2.3 - 0.7 * static_cast<double>(step) / 300 : 1.6; }

v1::Finding End(double gap, const InsightLog::Loss& loss, uint64_t last = 600) {
  InsightLog log;
  log.Data(log.Profile());
  log.Run(last, loss, log.Report());
  log.Evaluation(last, gap * loss(last));
  return log.Find("underfitting");
}

TEST(Underfitting, ALossThatStandsHighIsWarnedOf) {
  const v1::Finding finding = End(1.0, StandsAt);
  EXPECT_EQ(finding.severity(), v1::Finding::SEVERITY_WARNING);
  EXPECT_NEAR(finding.evidence().value(), 1.6 / 2.3, 1e-3);  // The first loss is below ln(10).
  EXPECT_EQ(finding.first_step(), 600u);
}

TEST(Underfitting, OneThatStillFallsIsToldToTrainLonger) {
  const v1::Finding finding = End(1.0, [](uint64_t step) { return 2.3 - static_cast<double>(step) / 600; });
  EXPECT_EQ(finding.severity(), v1::Finding::SEVERITY_INFO);
  EXPECT_THAT(finding.fix().words(), testing::HasSubstr("longer"));
}

TEST(Underfitting, BeforeTheLastTenthNothingIsSaid) { EXPECT_EQ(End(1.0, StandsAt, 500).rule(), ""); }

TEST(Underfitting, AHigherEvaluationLossIsSomethingElse) { EXPECT_EQ(End(1.3, StandsAt).rule(), ""); }

// Blended examples keep the training loss up.
TEST(Underfitting, ALowEvaluationLossIsAGoodNetwork) { EXPECT_EQ(End(0.3, StandsAt).rule(), ""); }

TEST(Underfitting, ALowLossIsNone) { EXPECT_EQ(End(1.0, InsightLog::Falls).rule(), ""); }

TEST(Underfitting, ALossThatHasNotFallenAtAllHasItsOwnRule) { EXPECT_EQ(End(1.0, InsightLog::Stays).rule(), ""); }

}  // namespace
}  // namespace traind::core
