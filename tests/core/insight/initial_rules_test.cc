// initialization_scale and initial_loss.
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "tests/support/insight_log.h"

namespace traind::core {
namespace {

constexpr char kDeep[] = R"(
  network {
    layers { name: "l1" dense { units: 100 weight_init { normal { std: 0.01 } } } activation { tanh {} } }
    layers { name: "l2" dense { units: 100 weight_init { normal { std: 0.01 } } } activation { tanh {} } }
    layers { name: "l3" dense { units: 100 weight_init { normal { std: 0.01 } } } activation { tanh {} } }
    layers { name: "l4" dense { units: 100 weight_init { normal { std: 0.01 } } } activation { tanh {} } }
    layers { name: "out" dense { units: 10 } }
  }
  data { dataset: "images" preprocessing { standardize {} } } batch_size: 100 epochs: 1)";

v1::StatisticsReport Deviations(const InsightLog& log, const std::vector<float>& stds) {
  v1::StatisticsReport report = log.Report();
  for (size_t i = 0; i < stds.size(); ++i) report.mutable_layers(static_cast<int>(i))->set_std(stds[i]);
  return report;
}

TEST(InitializationScale, OutputsThatShrinkFromLayerToLayer) {
  InsightLog log(kDeep);
  log.Run(600, InsightLog::Stays, Deviations(log, {0.49F, 0.29F, 0.11F, 0.05F}));
  const v1::Finding finding = log.Find("initialization_scale/l2");
  EXPECT_EQ(finding.severity(), v1::Finding::SEVERITY_WARNING);
  EXPECT_EQ(finding.first_step(), 1u);
  EXPECT_TRUE(finding.fix().patch().network().layers(0).dense().weight_init().has_xavier());
}

// The first loss is large because of it, though that is of no layer.
TEST(InitializationScale, ExplainsALargeFirstLoss) {
  InsightLog log(kDeep);
  log.Data(log.Profile());
  log.Run(
      600, [](uint64_t step) { return step == 1 ? 40.0 : 20.0 + static_cast<double>(step % 20) / 100; },
      Deviations(log, {1, 10, 100, 1000}));
  EXPECT_EQ(log.Find("initialization_scale/l2").root(), "");
  EXPECT_EQ(log.Find("initial_loss").root(), "initialization_scale/l2");
}

TEST(InitializationScale, OutputsThatGrow) {
  InsightLog log(kDeep);
  log.Run(1, InsightLog::Stays, Deviations(log, {1, 3, 9, 30}));
  EXPECT_EQ(log.Find("initialization_scale/l2").evidence().relation(), v1::Evidence::RELATION_ABOVE);
}

TEST(InitializationScale, OneLayerThatIsFarLargerIsPlain) {
  InsightLog log(kDeep);
  log.Run(600, InsightLog::Falls, Deviations(log, {0.8F, 0.8F, 12, 12}));
  const v1::Finding finding = log.Find("initialization_scale/l3");
  EXPECT_EQ(finding.severity(), v1::Finding::SEVERITY_WARNING) << "although the loss falls";
  EXPECT_NEAR(finding.evidence().value(), 15, 1e-5);
  EXPECT_FALSE(finding.fix().patch().network().layers(0).dense().weight_init().has_xavier()) << "of that layer alone";
  EXPECT_TRUE(finding.fix().patch().network().layers(2).dense().weight_init().has_xavier());
}

// A normalization makes a deviation of 1 of any: of its own, not of weights that start too large.
TEST(InitializationScale, ALayerThatNormalizesIsNoOutlier) {
  InsightLog log(R"(
    network {
      layers { name: "l1" dense { units: 50 } }
      layers { name: "norm" layer_norm {} activation { tanh {} } }
      layers { name: "l2" dense { units: 50 } activation { tanh {} } }
      layers { name: "out" dense { units: 10 } }
    }
    data { dataset: "images" preprocessing { standardize {} } } batch_size: 100 epochs: 1)");
  log.Run(600, InsightLog::Stays, Deviations(log, {0.07F, 1, 0.1F, 1}));
  EXPECT_FALSE(log.IsOpen("initialization_scale/norm"));
}

// What the lecture measures with tanh and xavier, and with relu and kaiming.
TEST(InitializationScale, TheLecturesHealthyTablesAreNone) {
  InsightLog xavier(kDeep), kaiming(kDeep);
  xavier.Run(1, InsightLog::Stays, Deviations(xavier, {0.63F, 0.49F, 0.41F, 0.36F}));
  kaiming.Run(1, InsightLog::Stays, Deviations(kaiming, {0.83F, 0.83F, 0.84F, 0.83F}));
  EXPECT_FALSE(xavier.IsOpen("initialization_scale/l2"));
  EXPECT_FALSE(kaiming.IsOpen("initialization_scale/l2"));
}

// A layer that gives zeros has a bias far below zero, or weights of zero; kaiming would not mend it.
TEST(InitializationScale, OfLayersThatGiveNothingOtherRulesSpeak) {
  InsightLog log(kDeep);
  log.Run(1, InsightLog::Stays, Deviations(log, {0.8F, 0.8F, 0, 0}));
  for (const char* layer : {"l2", "l3", "l4"}) EXPECT_FALSE(log.IsOpen(absl::StrCat("initialization_scale/", layer)));
}

TEST(InitialLoss, FarAboveLnCIsSaid) {
  InsightLog high, sound;
  high.Run(
      600, [](uint64_t step) { return step < 50 ? 40 : 2.3; }, high.Report());
  sound.Run(600, InsightLog::Stays, sound.Report());
  EXPECT_NEAR(high.Find("initial_loss").evidence().value(), 40 / 2.302585, 1e-3);
  EXPECT_FALSE(sound.IsOpen("initial_loss"));
}

}  // namespace
}  // namespace traind::core
