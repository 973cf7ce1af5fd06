// Units that give zero for every example.
#include "gmock/gmock.h"
#include "tests/support/insight_log.h"

namespace traind::core {
namespace {

v1::StatisticsReport Dead(const InsightLog& log, int64_t units) {
  v1::StatisticsReport report = log.Report();
  report.mutable_layers(1)->set_dead_units(units);
  return report;
}

TEST(DeadRelu, NamesTheLayerWithTheShareAndSuggestsLeakyRelu) {
  InsightLog log;
  log.Run(600, InsightLog::Stays, Dead(log, 98));
  const v1::Finding finding = log.Find("dead_relu/second");
  EXPECT_EQ(finding.severity(), v1::Finding::SEVERITY_CRITICAL);
  EXPECT_EQ(finding.layer(), "second");
  EXPECT_EQ(finding.slide(), 26u);
  EXPECT_DOUBLE_EQ(finding.evidence().value(), 0.98);
  EXPECT_EQ(finding.fix().mask().paths(0), "network");
  EXPECT_TRUE(finding.fix().patch().network().layers(1).activation().has_leaky_relu());
  EXPECT_TRUE(finding.fix().patch().network().layers(0).activation().has_relu());
}

TEST(DeadRelu, FrozenLayersStandStillOnPurpose) {
  InsightLog log;
  v1::StatisticsReport report = Dead(log, 98);
  report.mutable_layers(1)->set_frozen(true);
  log.Run(600, InsightLog::Stays, report);
  EXPECT_FALSE(log.IsOpen("dead_relu/second"));
}

// A relu of its own stands still with what it reads.
TEST(DeadRelu, AReluBehindAFrozenLayerStandsWithIt) {
  for (const bool frozen : {false, true}) {
    InsightLog log(R"(
      network {
        layers { name: "first" dense { units: 100 } }
        layers { name: "second" activation { relu {} } }
        layers { name: "out" dense { units: 10 } }
      }
      data { dataset: "images" preprocessing { standardize {} } } batch_size: 100 epochs: 1)");
    v1::StatisticsReport report = Dead(log, 98);
    report.mutable_layers(0)->set_frozen(frozen);
    log.Run(600, InsightLog::Stays, report);
    EXPECT_EQ(log.IsOpen("dead_relu/second"), !frozen);
  }
}

TEST(DeadRelu, AFewDeadUnitsAreNone) {
  InsightLog log;
  log.Run(600, InsightLog::Stays, Dead(log, 40));
  EXPECT_FALSE(log.IsOpen("dead_relu/second"));
}

}  // namespace
}  // namespace traind::core
