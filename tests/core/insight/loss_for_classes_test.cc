// A loss for numbers, with class labels.
#include "gmock/gmock.h"
#include "tests/support/insight_log.h"

namespace traind::core {
namespace {

std::string SquaresOver(const std::string& last) {
  return R"(
    network {
      layers { name: "first" dense { units: 100 } activation { relu {} } }
      layers { name: "out" dense { units: 10 } )" +
         last + R"( }
    }
    data { dataset: "images" preprocessing { standardize {} } }
    loss { mean_squared_error {} } optimizer { learning_rate: 0.1 } batch_size: 100 epochs: 1)";
}

// From 1 to `end` within 100 steps. One-hot rows of ten classes that are all as likely have the variance 0.09.
InsightLog RunTo(double end, const std::string& job = SquaresOver("")) {
  InsightLog log(job);
  log.Data(log.Profile());
  log.Run(
      600, [end](uint64_t step) { return step < 100 ? 1.0 : end; }, log.Report());
  return log;
}

TEST(LossForClasses, IsWarnedOfWhereTheLossStaysNearThatOfAConstantAnswer) {
  const InsightLog log = RunTo(0.06);
  const v1::Finding finding = log.Find("loss_for_classes");
  EXPECT_EQ(finding.severity(), v1::Finding::SEVERITY_WARNING);
  EXPECT_NEAR(finding.evidence().value(), 0.06 / 0.09, 1e-9);
  EXPECT_TRUE(finding.fix().patch().loss().has_softmax_cross_entropy());
  EXPECT_THAT(log.warnings, testing::IsEmpty()) << "when the job is made, nobody knows";
}

TEST(LossForClasses, OnlyInformsOfARunThatLearns) {
  EXPECT_EQ(RunTo(0.02).Find("loss_for_classes").severity(), v1::Finding::SEVERITY_INFO);
}

TEST(LossForClasses, ProbabilitiesInFrontOfTheLossGoWithIt) {
  const v1::Finding finding = RunTo(0.06, SquaresOver("activation { sigmoid {} }")).Find("loss_for_classes");
  EXPECT_EQ(finding.severity(), v1::Finding::SEVERITY_WARNING);
  EXPECT_THAT(finding.fix().mask().paths(), testing::UnorderedElementsAre("loss", "network"));
  EXPECT_TRUE(finding.fix().patch().loss().has_softmax_cross_entropy());
  EXPECT_FALSE(finding.fix().patch().network().layers(1).has_activation()) << "cross-entropy wants logits";
}

TEST(LossForClasses, SaysNothingOfNumbersAndOfALossForClasses) {
  InsightLog prices(R"(
    network { layers { name: "a" dense { units: 8 } activation { relu {} } } layers { name: "out" dense { units: 1 } } }
    data { dataset: "prices" preprocessing { standardize {} } } loss { mean_squared_error {} } epochs: 10)");
  prices.Run(600, InsightLog::Stays, prices.Report());
  InsightLog healthy;
  healthy.Run(600, InsightLog::Stays, healthy.Report());
  EXPECT_EQ(prices.Find("loss_for_classes").rule(), "");
  EXPECT_EQ(healthy.Find("loss_for_classes").rule(), "");
}

}  // namespace
}  // namespace traind::core
