// So few training examples that a network learns them by heart.
#include "gmock/gmock.h"
#include "tests/support/insight_log.h"

namespace traind::core {
namespace {

// So many of each of ten classes, and in the middle of the job an evaluation with this loss; that of the training is
// 0.92.
v1::Finding Of(int64_t each, double evaluation) {
  InsightLog log;
  v1::DataProfile profile = log.Profile();
  profile.set_examples(10 * each);
  for (int c = 0; c < 10; ++c) profile.set_class_counts(c, each);
  log.Data(profile);
  log.Run(150, InsightLog::Falls, log.Report());
  if (evaluation > 0) log.Evaluation(150, evaluation);
  return log.Find("few_examples");
}

TEST(FewExamples, SixOfEachClassInformAndTheEvaluationWarns) {
  EXPECT_EQ(Of(6, 0).severity(), v1::Finding::SEVERITY_INFO);
  EXPECT_EQ(Of(6, 1.1).severity(), v1::Finding::SEVERITY_INFO) << "what was learned holds for others";
  const v1::Finding finding = Of(6, 2.2);
  EXPECT_EQ(finding.severity(), v1::Finding::SEVERITY_WARNING);
  EXPECT_EQ(finding.evidence().value(), 60);
  EXPECT_EQ(finding.evidence().threshold(), 200);
}

TEST(FewExamples, TwentyOfEachAreNone) { EXPECT_EQ(Of(20, 2.2).rule(), ""); }

TEST(FewExamples, OfNumbersAHundredInAll) {
  const std::string prices = R"(
    network { layers { name: "a" dense { units: 8 } activation { relu {} } } layers { name: "out" dense { units: 1 } } }
    data { dataset: "prices" preprocessing { standardize {} } } epochs: 10)";
  for (const int64_t examples : {99, 100}) {
    InsightLog log(prices);
    v1::DataProfile profile;
    profile.set_examples(examples);
    profile.set_std(1);
    log.Data(profile);
    EXPECT_EQ(log.IsOpen("few_examples"), examples < 100);
  }
}

}  // namespace
}  // namespace traind::core
