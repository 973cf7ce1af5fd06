// A loss that goes up and down.
#include "gmock/gmock.h"
#include "tests/support/insight_log.h"

namespace traind::core {
namespace {

TEST(LossOscillating, UpAndDownByMuchOfItsSize) {
  InsightLog log;
  log.Run(
      1500, [](uint64_t step) { return step / 50 % 2 == 0 ? 4.0 : 1.5; }, log.Report());
  EXPECT_TRUE(log.IsOpen("loss_oscillating"));
}

TEST(LossOscillating, ALossThatFallsWithAnyNoiseIsNone) {
  InsightLog log;
  log.Run(
      1500, [](uint64_t step) { return InsightLog::Falls(step) * (step % 20 == 0 ? 1.2 : 0.8); }, log.Report());
  EXPECT_FALSE(log.IsOpen("loss_oscillating"));
}

}  // namespace
}  // namespace traind::core
