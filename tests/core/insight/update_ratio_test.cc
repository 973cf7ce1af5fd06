// How far a step moves the weights.
#include "gmock/gmock.h"
#include "tests/support/insight_log.h"

namespace traind::core {
namespace {

v1::StatisticsReport Updates(const InsightLog& log, float ratio) {
  v1::StatisticsReport report = log.Report();
  for (v1::ParameterStatistics& parameter : *report.mutable_parameters()) parameter.set_update_ratio(ratio);
  return report;
}

TEST(UpdateRatio, TooHighARateIsToBeLoweredByWhatWasMeasured) {
  InsightLog log;
  log.Run(600, InsightLog::Stays, Updates(log, 0.1F));
  const v1::Finding finding = log.Find("update_ratio");
  EXPECT_EQ(finding.severity(), v1::Finding::SEVERITY_WARNING);
  EXPECT_EQ(finding.fix().mask().paths(0), "optimizer.learning_rate");
  EXPECT_NEAR(finding.fix().patch().optimizer().learning_rate(), 0.001, 1e-6);
}

// The resolved rate, 0.2, is scaled already.
TEST(UpdateRatio, OfAScaledRateTheFixTakesTheScalingOut) {
  std::string job = kHealthyJob;
  job.replace(job.find("learning_rate: 0.1"), 18, "learning_rate: 0.1 batch_scaling { base_batch_size: 50 }");
  InsightLog log(job);
  log.Run(600, InsightLog::Stays, Updates(log, 0.1F));
  const v1::Fix fix = log.Find("update_ratio").fix();
  EXPECT_NEAR(fix.patch().optimizer().learning_rate(), 0.002, 1e-6);
  EXPECT_THAT(fix.mask().paths(), testing::ElementsAre("optimizer.learning_rate", "optimizer.batch_scaling"));
  EXPECT_FALSE(fix.patch().optimizer().has_batch_scaling());
}

TEST(UpdateRatio, TooLowARateIsToBeRaised) {
  InsightLog log;
  log.Run(600, InsightLog::Stays, Updates(log, 1e-5F));
  EXPECT_NEAR(log.Find("update_ratio").fix().patch().optimizer().learning_rate(), 10, 1e-3);
}

TEST(UpdateRatio, AOneInAThousandIsNone) {
  InsightLog log;
  log.Run(600, InsightLog::Stays, log.Report());
  EXPECT_FALSE(log.IsOpen("update_ratio"));
}

TEST(UpdateRatio, NorARateThatTheScheduleHasLowered) {
  InsightLog log;
  log.Run(100, InsightLog::Falls, log.Report());
  for (uint64_t step = 110; step <= 600; step += 10) {
    log.Train(step, 2.3, [](v1::Event& event) { event.mutable_train()->set_learning_rate(1e-4); });
    if (step % 50 == 0) log.Statistics(step, Updates(log, 1e-6F));
  }
  EXPECT_FALSE(log.IsOpen("update_ratio"));
}

}  // namespace
}  // namespace traind::core
