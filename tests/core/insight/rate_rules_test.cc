// Rates that are too high or too low by what the gradients promise, though the steps have a usual size. The job has 600
// steps, three weights of norm 5, and three biases.
#include "gmock/gmock.h"
#include "tests/support/insight_log.h"

namespace traind::core {
namespace {

// Of each weight; biases have no gradient.
v1::StatisticsReport Steps(const InsightLog& log, float gradient, float ratio) {
  v1::StatisticsReport report = log.Report();
  for (v1::ParameterStatistics& parameter : *report.mutable_parameters()) {
    parameter.set_gradient_norm(gradient);
    parameter.set_update_ratio(ratio);
  }
  for (const v1::LayerStatistics& layer : report.layers()) report.add_parameters()->set_name(layer.layer() + ".bias");
  return report;
}

// A step promises 3 * 100 * 0.005 * 5 = 7.5 of the loss of 2.3.
TEST(RateTooHigh, StepsThatPromiseMoreThanTheLossAndBringNothing) {
  InsightLog log;
  log.Run(600, InsightLog::Stays, Steps(log, 100, 5e-3F));
  const v1::Finding finding = log.Find("rate_too_high");
  EXPECT_EQ(finding.severity(), v1::Finding::SEVERITY_WARNING);
  EXPECT_NEAR(finding.evidence().value(), 7.5 / 2.3, 0.01);
  // So that a step promises a tenth of the loss.
  EXPECT_NEAR(finding.fix().patch().optimizer().learning_rate(), 0.1 * 0.1 / (7.5 / 2.3), 1e-4);
}

TEST(RateTooHigh, ThatTheyBringSomethingOrPromiseLittleIsNone) {
  InsightLog falls, little, known;
  falls.Run(600, InsightLog::Falls, Steps(falls, 100, 5e-3F));
  little.Run(600, InsightLog::Stays, Steps(little, 20, 5e-3F));
  known.Run(600, InsightLog::Stays, Steps(known, 100, 5e-2F));
  EXPECT_EQ(falls.Find("rate_too_high").rule(), "");
  EXPECT_EQ(little.Find("rate_too_high").rule(), "");
  EXPECT_EQ(known.Find("rate_too_high").rule(), "") << "update_ratio says it";
  EXPECT_TRUE(known.IsOpen("update_ratio"));
}

// In the first half of the job, with metrics at each step.
void FirstHalf(InsightLog& log, const v1::StatisticsReport& report, double rate = 0.1) {
  for (uint64_t step = 1; step <= 300; ++step) {
    log.Train(step, 2.3, [&](v1::Event& event) { event.mutable_train()->set_learning_rate(step == 1 ? 0.1 : rate); });
    if (step % 20 == 0) log.Statistics(step, report);
  }
}

// 3 * 0.01 * 2e-4 * 5 = 3e-5 a step, of 500 steps 0.015 of 2.3.
TEST(RateTooLow, StepsThatLeadNowhereUntilTheEndOfTheJob) {
  InsightLog log;
  FirstHalf(log, Steps(log, 0.01F, 2e-4F));
  const v1::Finding finding = log.Find("rate_too_low");
  EXPECT_EQ(finding.severity(), v1::Finding::SEVERITY_WARNING);
  EXPECT_LT(finding.evidence().value(), 0.01);
  EXPECT_NEAR(finding.fix().patch().optimizer().learning_rate(), 0.5, 1e-4) << "five times, to a thousandth";
}

TEST(RateTooLow, ThatTheyLeadSomewhereIsNone) {
  InsightLog enough, known, partly;
  FirstHalf(enough, Steps(enough, 1, 1e-3F));
  FirstHalf(known, Steps(known, 0.01F, 2e-5F));
  EXPECT_EQ(enough.Find("rate_too_low").rule(), "");
  EXPECT_EQ(known.Find("rate_too_low").rule(), "") << "update_ratio says it";
  v1::StatisticsReport part = Steps(partly, 0.01F, 2e-4F);
  part.mutable_parameters()->RemoveLast();
  FirstHalf(partly, part);
  EXPECT_EQ(partly.Find("rate_too_low").rule(), "") << "of what was not reported nobody knows";
}

TEST(RateTooLow, ARateThatTheScheduleHasLoweredIsNone) {
  InsightLog log;
  FirstHalf(log, Steps(log, 0.01F, 2e-4F), 1e-3);
  EXPECT_EQ(log.Find("rate_too_low").rule(), "");
}

}  // namespace
}  // namespace traind::core
