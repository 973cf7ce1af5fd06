// Gradients that grow.
#include "gmock/gmock.h"
#include "tests/support/insight_log.h"

namespace traind::core {
namespace {

TEST(ExplodingGradient, FromLayerToLayer) {
  InsightLog log;
  v1::StatisticsReport report = log.Report();
  report.mutable_parameters(0)->set_gradient_std(50);
  log.Run(600, InsightLog::Stays, report);
  EXPECT_EQ(log.Find("exploding_gradient/first").severity(), v1::Finding::SEVERITY_WARNING);
  EXPECT_EQ(log.Find("exploding_gradient/first").fix().patch().optimizer().clip_norm(), 1);
}

TEST(ExplodingGradient, FromStepToStep) {
  InsightLog log;
  for (uint64_t step = 10; step <= 1500; step += 10) {
    const double norm = step > 1000 ? 500 : 1;
    log.Train(step, 2.3, [&](v1::Event& event) { event.mutable_train()->set_gradient_norm(norm); });
    if (step % 50 == 0) log.Statistics(step, log.Report());
  }
  EXPECT_TRUE(log.IsOpen("exploding_gradient"));
}

TEST(ExplodingGradient, AFactorOfTenIsNone) {
  InsightLog log;
  v1::StatisticsReport report = log.Report();
  report.mutable_parameters(0)->set_gradient_std(0.1F);
  log.Run(600, InsightLog::Stays, report);
  EXPECT_FALSE(log.IsOpen("exploding_gradient/first"));
}

}  // namespace
}  // namespace traind::core
