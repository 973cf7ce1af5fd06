// Weights that the steps do not move.
#include "gmock/gmock.h"
#include "tests/support/insight_log.h"

namespace traind::core {
namespace {

v1::StatisticsReport WithRatio(const InsightLog& log, float ratio) {
  v1::StatisticsReport report = log.Report();
  report.mutable_parameters(0)->set_update_ratio(ratio);
  return report;
}

TEST(UnchangedTensor, NamesTheTensorThatStandsStill) {
  InsightLog log;
  log.Run(600, InsightLog::Stays, WithRatio(log, 0));
  const v1::Finding finding = log.Find("unchanged_tensor/first.weight");
  EXPECT_EQ(finding.severity(), v1::Finding::SEVERITY_WARNING);
  EXPECT_EQ(finding.tensor(), "first.weight");
  EXPECT_FALSE(log.IsOpen("unchanged_tensor/second.weight"));
}

TEST(UnchangedTensor, OneOfZerosIsSaidToBeZero) {
  InsightLog log;
  v1::StatisticsReport report = WithRatio(log, 0);
  report.mutable_parameters(0)->set_weight_norm(0);
  log.Run(600, InsightLog::Stays, report);
  EXPECT_THAT(log.Find("unchanged_tensor/first.weight").cause(), testing::HasSubstr("zero"));
}

TEST(UnchangedTensor, WhatMovesALittleIsNoneUnlessTheThresholdSaysSo) {
  InsightLog log,
      strict(std::string(kHealthyJob) + " insight { thresholds { unchanged_tensor { most_ratio: 1e-5 } } }");
  log.Run(600, InsightLog::Stays, WithRatio(log, 1e-6F));
  strict.Run(600, InsightLog::Stays, WithRatio(strict, 1e-6F));
  EXPECT_FALSE(log.IsOpen("unchanged_tensor/first.weight"));
  EXPECT_EQ(strict.Find("unchanged_tensor/first.weight").evidence().relation(), v1::Evidence::RELATION_BELOW);
}

// What starts at zero, or with a rate of zero, has moved by then.
TEST(UnchangedTensor, TheFirstStepsAreLeftAlone) {
  InsightLog log;
  for (uint64_t step = 1; step <= 9; ++step) {
    log.Train(step, 2.3);
    log.Statistics(step, WithRatio(log, 0));
  }
  EXPECT_EQ(log.Find("unchanged_tensor/first.weight").rule(), "");
}

TEST(UnchangedTensor, ARateThatHasComeToItsEndIsMeantToStop) {
  InsightLog log;
  for (uint64_t step = 10; step <= 600; step += 10) {
    log.Train(step, 2.3, [&](v1::Event& event) { event.mutable_train()->set_learning_rate(step > 100 ? 1e-9 : 0.1); });
    if (step > 150) log.Statistics(step, WithRatio(log, 0));
  }
  EXPECT_FALSE(log.IsOpen("unchanged_tensor/first.weight"));
}

TEST(UnchangedTensor, NorIsATensorThatALotteryTicketHasPruned) {
  InsightLog log;
  v1::StatisticsReport report = WithRatio(log, 0);
  report.mutable_parameters(0)->set_weight_norm(0);
  report.mutable_parameters(0)->set_sparsity(1);
  log.Run(600, InsightLog::Stays, report);
  EXPECT_FALSE(log.IsOpen("unchanged_tensor/first.weight"));
}

TEST(UnchangedTensor, NorABranchThatIsLeftOutAtRandom) {
  InsightLog log(R"(
    network {
      layers { name: "first" dense { units: 100 } activation { relu {} } }
      layers { name: "depth" stochastic_depth { survival: 0.5 } }
      layers { name: "out" dense { units: 10 } }
    }
    data { dataset: "images" preprocessing { standardize {} } } batch_size: 100 epochs: 1)");
  log.Run(600, InsightLog::Stays, WithRatio(log, 0));
  EXPECT_FALSE(log.IsOpen("unchanged_tensor/first.weight"));
}

}  // namespace
}  // namespace traind::core
