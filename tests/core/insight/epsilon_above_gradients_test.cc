// An epsilon that is larger than the gradients, whose root mean square is 0.01 in the log.
#include "gmock/gmock.h"
#include "tests/support/insight_log.h"

namespace traind::core {
namespace {

v1::Finding Of(const std::string& optimizer, const InsightLog::Loss& loss) {
  InsightLog log(R"(
    network {
      layers { name: "first" dense { units: 100 } activation { relu {} } }
      layers { name: "out" dense { units: 10 } }
    }
    data { dataset: "images" preprocessing { standardize {} } } batch_size: 100 epochs: 1 optimizer { )" +
                 optimizer + " learning_rate: 0.001 }");
  log.Run(600, loss, log.Report());
  return log.Find("epsilon_above_gradients");
}

TEST(EpsilonAboveGradients, AThousandTimesTheGradientIsWarnedOf) {
  const v1::Finding finding = Of("adam { epsilon: 10 }", InsightLog::Stays);
  EXPECT_EQ(finding.severity(), v1::Finding::SEVERITY_WARNING);
  EXPECT_NEAR(finding.evidence().value(), 1000, 0.01);
  EXPECT_THAT(finding.fix().mask().paths(), testing::ElementsAre("optimizer.adam.epsilon"));
  EXPECT_EQ(finding.fix().patch().optimizer().adam().epsilon(), 1e-8);
  EXPECT_EQ(Of("adam { epsilon: 10 }", InsightLog::Falls).severity(), v1::Finding::SEVERITY_INFO);
}

TEST(EpsilonAboveGradients, ASmallOneOrAnotherOptimizersIsNone) {
  EXPECT_EQ(Of("adam {}", InsightLog::Stays).rule(), "");
  EXPECT_EQ(Of("rmsprop { epsilon: 0.05 }", InsightLog::Stays).rule(), "") << "five times";
  EXPECT_EQ(Of("rmsprop { epsilon: 0.5 }", InsightLog::Stays).rule(), "epsilon_above_gradients");
  EXPECT_EQ(Of("sgd {}", InsightLog::Stays).rule(), "");
}

}  // namespace
}  // namespace traind::core
