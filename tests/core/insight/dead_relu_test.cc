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

TEST(DeadRelu, AFewDeadUnitsAreNone) {
  InsightLog log;
  log.Run(600, InsightLog::Stays, Dead(log, 40));
  EXPECT_FALSE(log.IsOpen("dead_relu/second"));
}

}  // namespace
}  // namespace traind::core
