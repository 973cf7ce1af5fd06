// A loss that goes up.
#include "gmock/gmock.h"
#include "tests/support/insight_log.h"

namespace traind::core {
namespace {

TEST(LossDiverging, ALossAboveItsBeginningIsCritical) {
  InsightLog log;
  log.Run(
      600, [](uint64_t step) { return step < 100 ? 2.3 : 9.0; }, log.Report());
  EXPECT_EQ(log.Find("loss_diverging").severity(), v1::Finding::SEVERITY_CRITICAL);
}

TEST(LossDiverging, ALossThatHasLostMostOfWhatItHadWonIsAWarning) {
  InsightLog log;
  log.Run(
      600, [](uint64_t step) { return step < 300 ? InsightLog::Falls(step) : 2.2; }, log.Report());
  EXPECT_EQ(log.Find("loss_diverging").severity(), v1::Finding::SEVERITY_WARNING);
}

TEST(LossDiverging, NoiseNearZeroIsNone) {
  InsightLog log;
  log.Run(
      600, [](uint64_t step) { return step < 50        ? 2.3
                                      : step % 20 == 0 ? 0.02
                                                       : 0.002; }, log.Report());
  EXPECT_FALSE(log.IsOpen("loss_diverging"));
}

}  // namespace
}  // namespace traind::core
