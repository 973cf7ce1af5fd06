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

TEST(ExplodingGradient, LbfgsIsNotToldToClip) {
  InsightLog log(R"(
    network { layers { name: "first" dense { units: 100 } } layers { name: "out" dense { units: 10 } } }
    data { dataset: "images" preprocessing { standardize {} } } optimizer { lbfgs {} } batch_size: 60000 epochs: 600)");
  v1::StatisticsReport report = log.Report();
  report.mutable_parameters(0)->set_gradient_std(50);
  log.Run(600, InsightLog::Stays, report);
  const v1::Finding finding = log.Find("exploding_gradient/first");
  EXPECT_EQ(finding.rule(), "exploding_gradient");
  EXPECT_EQ(finding.fix().patch().optimizer().clip_norm(), 0);
  EXPECT_THAT(finding.fix().words(), testing::StartsWith("lower the learning rate"));
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
