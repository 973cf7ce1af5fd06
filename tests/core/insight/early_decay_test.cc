// A schedule that ends the training with much of the job left: 600 steps.
#include "gmock/gmock.h"
#include "tests/support/insight_log.h"

namespace traind::core {
namespace {

InsightLog With(const std::string& schedule) {
  InsightLog log(R"(
    network { layers { name: "out" dense { units: 10 } } }
    data { dataset: "images" preprocessing { standardize {} } }
    optimizer { learning_rate: 0.1 schedule { )" +
                 schedule + " } } batch_size: 100 epochs: 1");
  log.Data(log.Profile());
  return log;
}

// 0.3^4 is 0.0081: from step 20 on, behind 10 of warm-up.
TEST(EarlyDecay, StepsThatFollowTooSoonAreWarnedOfBeforeTheJobStarts) {
  const InsightLog log = With("step { every_steps: 5 factor: 0.3 } warmup_steps: 10");
  const v1::Finding finding = log.Find("early_decay");
  EXPECT_TRUE(finding.warned());
  EXPECT_EQ(finding.severity(), v1::Finding::SEVERITY_INFO) << "until it is known that the run does not improve";
  EXPECT_DOUBLE_EQ(finding.evidence().value(), 570.0 / 600);
  EXPECT_THAT(finding.fix().mask().paths(), testing::ElementsAre("optimizer.schedule"));
  EXPECT_TRUE(finding.fix().patch().optimizer().schedule().has_cosine());
  EXPECT_EQ(finding.fix().patch().optimizer().schedule().warmup_steps(), 10u);
  ASSERT_EQ(log.warnings.size(), 1u);
  EXPECT_THAT(log.warnings.front(), testing::HasSubstr("schedule step brings the learning rate below 1 %"));
}

TEST(EarlyDecay, UsualSchedulesAreNone) {
  for (const char* schedule : {"cosine {}", "linear {}", "step { every_steps: 200 factor: 0.1 }",
                               "step { every_steps: 100 factor: 0.1 }", "constant {}"}) {
    EXPECT_FALSE(With(schedule).IsOpen("early_decay")) << schedule;
  }
  EXPECT_TRUE(With("step { every_steps: 90 factor: 0.1 }").IsOpen("early_decay")) << "at step 270";
}

TEST(EarlyDecay, ARateThatComesBackIsNone) {
  EXPECT_FALSE(With("cosine_restarts { first_steps: 50 }").IsOpen("early_decay"));
  EXPECT_TRUE(With("exponential { factor: 0.97 every_steps: 1 }").IsOpen("early_decay")) << "0.97^152 is 0.0098";
  EXPECT_FALSE(With("exponential { factor: 0.99 every_steps: 1 }").IsOpen("early_decay")) << "0.99^459 is 0.0099";
}

}  // namespace
}  // namespace traind::core
