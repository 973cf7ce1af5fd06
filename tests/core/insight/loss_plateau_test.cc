// A loss that stands still.
#include "gmock/gmock.h"
#include "tests/support/insight_log.h"

namespace traind::core {
namespace {

TEST(LossPlateau, AThirdOfTheJobWithoutABetterLossIsSaid) {
  InsightLog log;
  log.Run(
      600, [](uint64_t step) { return step < 150 ? InsightLog::Falls(step) : 0.92; }, log.Report());
  const v1::Finding finding = log.Find("loss_plateau");
  EXPECT_EQ(finding.severity(), v1::Finding::SEVERITY_INFO);
  EXPECT_TRUE(finding.fix().patch().optimizer().schedule().has_cosine());
}

TEST(LossPlateau, ALossThatFallsIsNone) {
  InsightLog log;
  log.Run(600, InsightLog::Falls, log.Report());
  EXPECT_FALSE(log.IsOpen("loss_plateau"));
}

}  // namespace
}  // namespace traind::core
