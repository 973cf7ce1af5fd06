// A loss that stays where it was.
#include "gmock/gmock.h"
#include "tests/support/insight_log.h"

namespace traind::core {
namespace {

TEST(LossNotFalling, IsSaidAfterATenthOfTheJob) {
  InsightLog log;
  log.Run(600, InsightLog::Stays, log.Report());
  const v1::Finding finding = log.Find("loss_not_falling");
  EXPECT_EQ(finding.severity(), v1::Finding::SEVERITY_WARNING);
  EXPECT_LE(finding.first_step(), 300u);
}

TEST(LossNotFalling, ALossThatFallsIsNone) {
  InsightLog log;
  log.Run(600, InsightLog::Falls, log.Report());
  EXPECT_FALSE(log.IsOpen("loss_not_falling"));
}

TEST(LossNotFalling, ALossThatFallsToChanceAloneIsOne) {
  InsightLog log;
  log.Data(log.Profile());
  log.Run(
      600, [](uint64_t step) { return step < 20 ? 40 : 2.3026; }, log.Report());
  EXPECT_TRUE(log.IsOpen("loss_not_falling")) << "ln 10 is what an answer has that has learned nothing";
}

TEST(LossNotFalling, OfWeightsThatWereTrainedBeforeNothingIsExpected) {
  InsightLog log(kHealthyJob, [](v1::Job& job) { job.set_forked_from("jobs/b/checkpoints/1"); });
  log.Run(
      600, [](uint64_t) { return 0.1; }, log.Report());
  EXPECT_THAT(log.Bad(), testing::IsEmpty());
}

}  // namespace
}  // namespace traind::core
