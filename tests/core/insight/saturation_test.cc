// Squashing activations where their slope is gone.
#include "gmock/gmock.h"
#include "tests/support/insight_log.h"

namespace traind::core {
namespace {

constexpr char kTanh[] = R"(
  network {
    layers { name: "first" dense { units: 100 } activation { tanh {} } }
    layers { name: "second" dense { units: 100 } activation { relu {} } }
    layers { name: "out" dense { units: 10 } }
  }
  data { dataset: "images" preprocessing { standardize {} } } batch_size: 100 epochs: 1)";

v1::StatisticsReport Saturated(const InsightLog& log, float share) {
  v1::StatisticsReport report = log.Report();
  for (v1::LayerStatistics& layer : *report.mutable_layers()) layer.set_saturated_fraction(share);
  return report;
}

TEST(Saturation, OfATanhIsFoundAndOfAReluIsNone) {
  InsightLog log(kTanh);
  log.Run(600, InsightLog::Stays, Saturated(log, 0.8F));
  EXPECT_EQ(log.Find("saturation/first").severity(), v1::Finding::SEVERITY_WARNING);
  EXPECT_TRUE(log.Find("saturation/first").fix().patch().network().layers(0).dense().weight_init().has_xavier());
  EXPECT_FALSE(log.IsOpen("saturation/second")) << "zeros of a relu";
}

TEST(Saturation, FrozenLayersStandStillOnPurpose) {
  InsightLog log(kTanh);
  v1::StatisticsReport report = Saturated(log, 0.8F);
  report.mutable_layers(0)->set_frozen(true);
  log.Run(600, InsightLog::Stays, report);
  EXPECT_FALSE(log.IsOpen("saturation/first"));
}

TEST(Saturation, OfNearlyAllValuesItWarnsAlsoWhileTheLossFalls) {
  InsightLog much(kTanh), nearly_all(kTanh);
  much.Run(600, InsightLog::Falls, Saturated(much, 0.7F));
  nearly_all.Run(600, InsightLog::Falls, Saturated(nearly_all, 0.9F));
  EXPECT_EQ(much.Find("saturation/first").severity(), v1::Finding::SEVERITY_INFO);
  EXPECT_EQ(nearly_all.Find("saturation/first").severity(), v1::Finding::SEVERITY_WARNING);
}

TEST(Saturation, ATenthIsNone) {
  InsightLog log(kTanh);
  log.Run(600, InsightLog::Stays, Saturated(log, 0.1F));
  EXPECT_FALSE(log.IsOpen("saturation/first"));
}

}  // namespace
}  // namespace traind::core
