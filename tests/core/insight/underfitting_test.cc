// A loss that is still high at the end.
#include "gmock/gmock.h"
#include "tests/support/insight_log.h"

namespace traind::core {
namespace {

// Falls from 2.3 to 1.6 in the first half, which is 0.7 of ln(10), and stands there.
double StandsAt(uint64_t step) { return step < 300 ? 2.3 - 0.7 * static_cast<double>(step) / 300 : 1.6; }

v1::Finding End(double gap, const InsightLog::Loss& loss, uint64_t last = 600) {
  InsightLog log;
  log.Data(log.Profile());
  log.Run(last, loss, log.Report());
  log.Evaluation(last, gap * loss(last));
  return log.Find("underfitting");
}

TEST(Underfitting, ALossThatStandsHighIsWarnedOf) {
  const v1::Finding finding = End(1.0, StandsAt);
  EXPECT_EQ(finding.severity(), v1::Finding::SEVERITY_WARNING);
  EXPECT_NEAR(finding.evidence().value(), 1.6 / 2.3, 1e-3);  // The first loss is below ln(10).
  EXPECT_EQ(finding.first_step(), 600u);
}

TEST(Underfitting, OneThatStillFallsIsToldToTrainLonger) {
  const v1::Finding finding = End(1.0, [](uint64_t step) { return 2.3 - static_cast<double>(step) / 600; });
  EXPECT_EQ(finding.severity(), v1::Finding::SEVERITY_INFO);
  EXPECT_THAT(finding.fix().words(), testing::HasSubstr("longer"));
}

TEST(Underfitting, BeforeTheLastTenthNothingIsSaid) { EXPECT_EQ(End(1.0, StandsAt, 500).rule(), ""); }

TEST(Underfitting, AHigherEvaluationLossIsSomethingElse) { EXPECT_EQ(End(1.3, StandsAt).rule(), ""); }

// Blended examples keep the training loss up.
TEST(Underfitting, ALowEvaluationLossIsAGoodNetwork) { EXPECT_EQ(End(0.3, StandsAt).rule(), ""); }

// Right and unsure. Of ten classes that are all as likely, 0.91 is nine tenths of the way from 0.1 to 1; of two of
// which one has 54,000 of 60,000 examples it is a tenth of the way.
TEST(Underfitting, NothingIsSaidOfANetworkThatAnswersWell) {
  const auto end = [](double accuracy, bool rare) {
    InsightLog log;
    v1::DataProfile data = log.Profile();
    if (rare) {
      data.mutable_class_counts()->Clear();
      data.add_class_counts(54000);
      data.add_class_counts(6000);
    }
    log.Data(data);
    log.Run(600, StandsAt, log.Report());
    v1::Event event;
    event.set_step(600);
    event.mutable_evaluation()->set_loss(1.6);
    event.mutable_evaluation()->set_accuracy(accuracy);
    log.Note(event);
    return log.Find("underfitting").rule();
  };
  EXPECT_EQ(end(0.92, false), "");
  EXPECT_EQ(end(0.9, false), "underfitting");
  EXPECT_EQ(end(0.92, true), "underfitting");
}

TEST(Underfitting, ALowLossIsNone) { EXPECT_EQ(End(1.0, InsightLog::Falls).rule(), ""); }

TEST(Underfitting, ALossThatHasNotFallenAtAllHasItsOwnRule) { EXPECT_EQ(End(1.0, InsightLog::Stays).rule(), ""); }

}  // namespace
}  // namespace traind::core
