// Gradients that do not reach the first layers.
#include "gmock/gmock.h"
#include "tests/support/insight_log.h"

namespace traind::core {
namespace {

v1::StatisticsReport Gradients(const InsightLog& log, float first, float second, float out) {
  v1::StatisticsReport report = log.Report();
  report.mutable_parameters(0)->set_gradient_std(first);
  report.mutable_parameters(1)->set_gradient_std(second);
  report.mutable_parameters(2)->set_gradient_std(out);
  return report;
}

TEST(VanishingGradient, NamesTheFirstLayerThatGetsNone) {
  InsightLog log;
  log.Run(600, InsightLog::Stays, Gradients(log, 1e-9F, 1e-6F, 1e-2F));
  EXPECT_TRUE(log.IsOpen("vanishing_gradient/first"));
  EXPECT_FALSE(log.IsOpen("vanishing_gradient/second")) << "one for the network";
  EXPECT_THAT(log.Find("vanishing_gradient/first").cause(), testing::HasSubstr("as are those of 1 more of 3 layers"));
}

TEST(VanishingGradient, ZeroIsGoneToo) {
  InsightLog log;
  log.Run(600, InsightLog::Stays, Gradients(log, 0, 0, 1e-2F));
  EXPECT_THAT(log.Find("vanishing_gradient/first").cause(), testing::HasSubstr("is zero"));
}

TEST(VanishingGradient, AFactorOfTenIsNone) {
  InsightLog log;
  log.Run(600, InsightLog::Stays, Gradients(log, 1e-4F, 1e-3F, 1e-2F));
  EXPECT_FALSE(log.IsOpen("vanishing_gradient/first"));
}

}  // namespace
}  // namespace traind::core
