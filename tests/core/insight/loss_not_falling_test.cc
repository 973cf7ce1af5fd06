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

// Outputs that begin far from the targets come down to their variance by a constant answer.
TEST(LossNotFalling, ANumbersLossThatFallsToTheVarianceOfTheTargetsIsOne) {
  for (const double end : {0.99, 0.5}) {
    InsightLog log(R"(
      network { layers { name: "a" dense { units: 8 } activation { relu {} } } layers { name: "out" dense { units: 1 } } }
      data { dataset: "prices" preprocessing { standardize {} } } loss { mean_squared_error {} } epochs: 10)");
    v1::DataProfile profile;
    profile.set_examples(400);
    profile.set_std(1);
    profile.set_target_variance(1);
    log.Data(profile);
    log.Run(
        600, [end](uint64_t step) { return step < 50 ? 4 : end; }, log.Report());
    EXPECT_EQ(log.IsOpen("loss_not_falling"), end > 0.9);
  }
}

TEST(LossNotFalling, OfWeightsThatWereTrainedBeforeNothingIsExpected) {
  InsightLog log(kHealthyJob, [](v1::Job& job) { job.set_forked_from("jobs/b/checkpoints/1"); });
  log.Run(
      600, [](uint64_t) { return 0.1; }, log.Report());
  EXPECT_THAT(log.Bad(), testing::IsEmpty());
}

}  // namespace
}  // namespace traind::core
