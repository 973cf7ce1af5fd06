// A loss that jumps and stays up.
#include "gmock/gmock.h"
#include "tests/support/insight_log.h"

namespace traind::core {
namespace {

// Five TRAIN events each; 2 of the loss to beat, so that a run at 0.3 improves.
void Stretches(InsightLog& log, const std::vector<double>& losses, const std::vector<double>& rates = {}) {
  log.Train(1, 2.3);
  uint64_t step = 1;
  for (size_t i = 0; i < losses.size(); ++i) {
    for (int k = 0; k < kStretch; ++k) {
      if (i == 0 && k == 0) continue;
      log.Train(++step, losses[i], [&](v1::Event& event) {
        if (!rates.empty()) event.mutable_train()->set_learning_rate(rates[i]);
      });
    }
  }
}

TEST(LossJump, OneThatStaysUpIsSaidWithItsPlace) {
  InsightLog log;
  Stretches(log, {1, 0.5, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 1.2, 1.2, 1.2});
  const v1::Finding finding = log.Find("loss_jump");
  EXPECT_EQ(finding.state(), v1::Finding::STATE_OPEN);
  EXPECT_NEAR(finding.evidence().value(), 4, 1e-9);
  EXPECT_EQ(finding.first_step(), 45u);
  EXPECT_EQ(finding.fix().patch().optimizer().clip_norm(), 1);
}

TEST(LossJump, OneThatComesBackIsNone) {
  InsightLog log;
  Stretches(log, {1, 0.5, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 1.2, 0.4, 0.3, 0.3, 0.3});
  EXPECT_EQ(log.Find("loss_jump").rule(), "");
}

TEST(LossJump, TwiceAsMuchIsNone) {
  InsightLog log;
  Stretches(log, {1, 0.5, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.6, 0.6, 0.6});
  EXPECT_EQ(log.Find("loss_jump").rule(), "");
}

TEST(LossJump, NearZeroItIsNoise) {
  InsightLog log;
  Stretches(log, {1, 0.5, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.05, 0.05, 0.05});
  EXPECT_EQ(log.Find("loss_jump").rule(), "");
}

TEST(LossJump, AScheduleThatBeginsAgainMeansIt) {
  InsightLog log;
  Stretches(log, {1, 0.5, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 1.2, 1.2, 1.2},
            {0.1, 0.08, 0.06, 0.04, 0.03, 0.02, 0.01, 0.01, 0.1, 0.09, 0.08});
  EXPECT_EQ(log.Find("loss_jump").rule(), "");
}

}  // namespace
}  // namespace traind::core
