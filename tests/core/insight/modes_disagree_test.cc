// The same minibatch in both modes.
#include "gmock/gmock.h"
#include "tests/support/insight_log.h"

namespace traind::core {
namespace {

constexpr char kNormalized[] = R"(
  network {
    layers { name: "first" dense { units: 100 } }
    layers { name: "norm" batch_norm { momentum: 0.001 } activation { relu {} } }
    layers { name: "out" dense { units: 10 } }
  }
  data { dataset: "images" preprocessing { standardize {} } } batch_size: 100 epochs: 1)";
constexpr char kDropout[] = R"(
  network {
    layers { name: "first" dense { units: 100 } activation { relu {} } }
    layers { name: "drop" dropout { rate: 0.5 } }
    layers { name: "out" dense { units: 10 } }
  }
  data { dataset: "images" preprocessing { standardize {} } } batch_size: 100 epochs: 1)";

constexpr char kInBlocks[] = R"(
  network {
    layers { name: "first" dense { units: 100 } activation { relu {} } }
    layers { name: "block" block { residual {
      layers { name: "one" dense { units: 100 bias: false } }
      layers { name: "norm" batch_norm { momentum: 0.001 } }
      layers { name: "inner" block { residual { layers { name: "two" dense { units: 100 bias: false } }
                                                layers { name: "norm" batch_norm { momentum: 0.01 } } } } }
    } } }
    layers { name: "out" dense { units: 10 } }
  }
  data { dataset: "images" preprocessing { standardize {} } } batch_size: 100 epochs: 1)";
constexpr char kUsual[] = R"(
  network {
    layers { name: "first" dense { units: 100 bias: false } }
    layers { name: "norm" batch_norm {} activation { relu {} } }
    layers { name: "out" dense { units: 10 } }
  }
  data { dataset: "images" preprocessing { standardize {} } } batch_size: 100 epochs: 1)";

// Three evaluations.
v1::Finding Evaluated(const std::string& job, double training, double test) {
  InsightLog log(job);
  for (uint64_t step = 200; step <= 600; step += 200) {
    log.Run(step, InsightLog::Falls, log.Report());
    v1::Event event;
    event.set_step(step);
    event.mutable_evaluation()->set_split("test");
    event.mutable_evaluation()->set_loss(0.5);
    event.mutable_evaluation()->set_minibatch_train_mode_loss(training);
    event.mutable_evaluation()->set_minibatch_test_mode_loss(test);
    log.Note(event);
  }
  return log.Find("modes_disagree");
}

TEST(ModesDisagree, AMuchHigherLossInTestModeIsSaid) {
  const v1::Finding finding = Evaluated(kNormalized, 0.5, 2);
  EXPECT_EQ(finding.severity(), v1::Finding::SEVERITY_WARNING)
      << "the training improves, and it is a fault all the same";
  EXPECT_EQ(finding.evidence().value(), 4);
  EXPECT_EQ(finding.slide(), 84u);
  EXPECT_EQ(finding.fix().patch().network().layers(1).batch_norm().momentum(), 0.1);
}

TEST(ModesDisagree, LayersInsideOfBlocksAreMendedToo) {
  const v1::Finding finding = Evaluated(kInBlocks, 0.5, 2);
  const v1::Residual& block = finding.fix().patch().network().layers(1).block().residual();
  EXPECT_EQ(block.layers(1).batch_norm().momentum(), 0.1);
  EXPECT_EQ(block.layers(2).block().residual().layers(1).batch_norm().momentum(), 0.1);
  EXPECT_THAT(finding.fix().words(), testing::HasSubstr("2 layers"));
}

TEST(ModesDisagree, WhereTheMomentumIsUsualItIsSaidAndNothingPatched) {
  const v1::Finding finding = Evaluated(kUsual, 0.5, 2);
  EXPECT_EQ(finding.rule(), "modes_disagree");
  EXPECT_FALSE(finding.fix().has_patch());
  EXPECT_THAT(finding.fix().words(), testing::HasSubstr("0.1 or more in all layers"));
}

TEST(ModesDisagree, AThirdMoreIsNone) { EXPECT_EQ(Evaluated(kNormalized, 0.6, 0.8).rule(), ""); }

TEST(ModesDisagree, ALowerLossInTestModeIsNone) { EXPECT_EQ(Evaluated(kNormalized, 2, 0.5).rule(), ""); }

TEST(ModesDisagree, TwoGoodLossesAreNone) { EXPECT_EQ(Evaluated(kNormalized, 0.001, 0.01).rule(), ""); }

TEST(ModesDisagree, WithoutBatchNormalizationThereIsNothingToSay) { EXPECT_EQ(Evaluated(kDropout, 0.5, 2).rule(), ""); }

TEST(ModesDisagree, AnEvaluationThatDidNotCompareSaysNothing) {
  InsightLog log(kNormalized);
  for (uint64_t step = 200; step <= 600; step += 200) log.Evaluation(step, 2);
  EXPECT_EQ(log.Find("modes_disagree").rule(), "");
}

// Dropout right before the normalization: its place informs, until three evaluations show what it does.
TEST(DropoutPlace, BeforeANormalizationWarnsWhenTheModesDisagree) {
  const std::string job = R"(
    network {
      layers { name: "first" dense { units: 100 } }
      layers { name: "drop" dropout { rate: 0.5 } }
      layers { name: "norm" batch_norm {} activation { relu {} } }
      layers { name: "out" dense { units: 10 } }
    }
    data { dataset: "images" preprocessing { standardize {} } } batch_size: 100 epochs: 1)";
  for (const double ratio : {1.2, 0.9}) {
    InsightLog log(job);
    log.Data(log.Profile());
    EXPECT_EQ(log.Find("dropout_place/drop").severity(), v1::Finding::SEVERITY_INFO);
    for (uint64_t step = 200; step <= 600; step += 200) {
      log.Run(step, InsightLog::Falls, log.Report());
      v1::Event event;
      event.set_step(step);
      event.mutable_evaluation()->set_loss(1);
      event.mutable_evaluation()->set_minibatch_train_mode_loss(1);
      event.mutable_evaluation()->set_minibatch_test_mode_loss(ratio);
      log.Note(event);
    }
    EXPECT_EQ(log.Find("dropout_place/drop").severity(),
              ratio > 1 ? v1::Finding::SEVERITY_WARNING : v1::Finding::SEVERITY_INFO);
  }
}

}  // namespace
}  // namespace traind::core
