// A penalty that is larger than what there is to learn: ten classes that are all as likely, ln 10 = 2.3026.
#include "gmock/gmock.h"
#include "tests/support/insight_log.h"

namespace traind::core {
namespace {

constexpr char kPenalized[] = R"(
  network {
    layers { name: "first" dense { units: 100 } activation { relu {} } }
    layers { name: "out" dense { units: 10 } }
    regularizers { l2 { strength: 0.3 } }
  }
  data { dataset: "images" preprocessing { standardize {} } } batch_size: 100 epochs: 1)";
constexpr char kInBlocks[] = R"(
  network {
    layers { name: "first" dense { units: 100 } activation { relu {} } }
    layers { name: "block" block { residual { layers { name: "one" dense { units: 100 } regularizers {
      elastic_net { l1: 0.01 l2: 0.3 } } } } } }
    layers { name: "out" dense { units: 10 } }
  }
  data { dataset: "images" preprocessing { standardize {} } } batch_size: 100 epochs: 1)";

// The penalty is gone after 200 steps.
v1::Finding Of(double penalty, double loss, const char* job = kPenalized) {
  InsightLog log(job);
  log.Data(log.Profile());
  for (uint64_t step = 1; step <= 600; ++step) {
    log.Train(step, loss * 100 / (100 + static_cast<double>(loss < 2.5 ? 0 : step)),
              [&](v1::Event& event) { event.mutable_train()->set_penalty(step < 200 ? penalty : 0); });
  }
  return log.Find("penalty_above_loss");
}

constexpr double kFalling = 4, kStanding = 2.3;

TEST(PenaltyAboveLoss, AFarLargerOneIsWarnedOfThoughTheLossFalls) {
  const v1::Finding finding = Of(50, kFalling);
  EXPECT_EQ(finding.severity(), v1::Finding::SEVERITY_WARNING);
  EXPECT_EQ(finding.state(), v1::Finding::STATE_OPEN) << "that it is gone is what was feared";
  EXPECT_NEAR(finding.evidence().value(), 50 / 2.302585, 1e-5);
  EXPECT_EQ(finding.slide(), 69u);
  // A tenth of the loss would be 0.3 / 217: the power of ten below.
  EXPECT_THAT(finding.fix().mask().paths(), testing::ElementsAre("network.regularizers"));
  EXPECT_NEAR(finding.fix().patch().network().regularizers(0).l2().strength(), 3e-4, 1e-12);
}

TEST(PenaltyAboveLoss, ALargerOneInformsWhileTheLossFalls) {
  EXPECT_EQ(Of(3, kFalling).severity(), v1::Finding::SEVERITY_INFO);
  EXPECT_EQ(Of(3, kStanding).severity(), v1::Finding::SEVERITY_WARNING);
}

TEST(PenaltyAboveLoss, ASmallerOneIsNone) { EXPECT_EQ(Of(2, kStanding).rule(), ""); }

TEST(PenaltyAboveLoss, ThoseOfLayersInBlocksAreWeakenedToo) {
  const v1::Finding finding = Of(50, kFalling, kInBlocks);
  EXPECT_THAT(finding.fix().mask().paths(), testing::ElementsAre("network"));
  const v1::Layer& block = finding.fix().patch().network().layers(1);
  const v1::ElasticNet& weaker = block.block().residual().layers(0).regularizers(0).elastic_net();
  EXPECT_NEAR(weaker.l1(), 1e-5, 1e-15);
  EXPECT_NEAR(weaker.l2(), 3e-4, 1e-12);
}

}  // namespace
}  // namespace traind::core
