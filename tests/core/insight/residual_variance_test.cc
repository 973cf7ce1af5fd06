// Residual sums that grow from block to block.
#include "gmock/gmock.h"
#include "tests/support/insight_log.h"

namespace traind::core {
namespace {

constexpr char kResidual[] = R"(
  network {
    layers { name: "in" dense { units: 100 } activation { relu {} } }
    layers { name: "b1" block { residual { layers { name: "f" dense { units: 100 } activation { relu {} } } } } }
    layers { name: "b2" block { residual { layers { name: "f" dense { units: 100 } activation { relu {} } } } } }
    layers { name: "b3" block { residual { layers { name: "f" dense { units: 100 } activation { relu {} } } } } }
    layers { name: "out" dense { units: 10 } }
  }
  data { dataset: "images" preprocessing { standardize {} } } batch_size: 100 epochs: 1)";

// All layers as the network has them, the sums with these deviations.
v1::StatisticsReport Sums(const InsightLog& log, const std::vector<float>& stds) {
  v1::StatisticsReport report;
  v1::Network network = log.job().resolved_spec().network();
  FieldErrors::Root errors;
  const auto graph = Graph::Build(network, errors.scope("network"));
  size_t sum = 0;
  for (const Node& node : graph->nodes()) {
    v1::LayerStatistics& layer = *report.add_layers();
    layer.set_layer(node.name);
    layer.set_std(TraitsOf(node).sums_inputs ? stds[sum++] : 1);
  }
  EXPECT_EQ(sum, stds.size());
  return report;
}

v1::Finding FindAt(const InsightLog& log) {
  for (const v1::Event& event : log.events) {
    if (event.finding().rule() == "residual_variance") return event.finding();
  }
  return {};
}

TEST(ResidualVariance, SumsThatGrowAreSaidWhereItBegins) {
  InsightLog log(kResidual);
  log.Run(600, InsightLog::Stays, Sums(log, {1, 1.5F, 30}));
  const v1::Finding finding = FindAt(log);
  // 30 is 5.5 a block: the second is the first to grow as much.
  EXPECT_EQ(finding.layer().substr(0, 2), "b3");
  EXPECT_EQ(finding.first_step(), 1u);
  EXPECT_EQ(finding.slide(), 65u);
  EXPECT_FLOAT_EQ(finding.evidence().value(), 30);
  ASSERT_EQ(finding.fix().mask().paths_size(), 1);
  const v1::Layer& block = finding.fix().patch().network().layers(1);
  EXPECT_EQ(block.block().residual().initialization(), v1::Residual::INITIALIZATION_ZERO_LAST);
}

// With Var(F) = Var(x) the variance doubles in each block: 1, 1.41, 2.
TEST(ResidualVariance, AFewBlocksThatDoubleItAreNone) {
  InsightLog log(kResidual);
  log.Run(600, InsightLog::Stays, Sums(log, {1, 1.41F, 2}));
  EXPECT_EQ(FindAt(log).rule(), "");
}

TEST(ResidualVariance, WhatGrowsLaterIsNoMatterOfTheBeginning) {
  InsightLog log(kResidual);
  log.Train(1, 2.3);
  log.Statistics(1, Sums(log, {1, 1, 1}));
  for (uint64_t step = 50; step <= 600; step += 50) log.Statistics(step, Sums(log, {1, 10, 100}));
  EXPECT_EQ(FindAt(log).rule(), "");
}

TEST(ResidualVariance, TheThresholdIsTheJobs) {
  InsightLog log(std::string(kResidual) + " insight { thresholds { residual_variance { most_growth: 40 } } }");
  log.Run(600, InsightLog::Stays, Sums(log, {1, 1.5F, 30}));
  EXPECT_EQ(FindAt(log).rule(), "");
}

}  // namespace
}  // namespace traind::core
