// Labels of which many are wrong in the training split alone, by what neighbours in both splits say.
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "tests/support/insight_log.h"

namespace traind::core {
namespace {

InsightLog With(const std::string& changes, const std::string& job = kHealthyJob) {
  InsightLog log(job);
  v1::DataProfile profile = log.Profile();
  profile.MergeFrom(FromText<v1::DataProfile>(changes));
  log.Data(profile);
  return log;
}

// Of ten classes.
std::string Agree(double training, double evaluation, const std::string& more = "") {
  return absl::StrCat("evaluation { split: 'test' examples: 10000 compared: 500 neighbour_agreement: ", evaluation,
                      " chance_agreement: 0.1 training_agreement: ", training, " training_chance: 0.1 ", more, " }");
}

// Six of ten labels drawn anew from ten classes: of a pair both are right with 0.46^2, and agree by chance otherwise;
// 0.1 + 0.7 * 0.46^2 where 0.8 would.
TEST(NoisyLabels, NeighboursThatAgreeInTheEvaluationAlone) {
  const InsightLog log = With(Agree(0.248, 0.8));
  const v1::Finding finding = log.Find("noisy_labels");
  EXPECT_EQ(finding.severity(), v1::Finding::SEVERITY_WARNING);
  EXPECT_NEAR(finding.evidence().value(), (0.8 - 0.248) / 0.9, 1e-9);
  EXPECT_THAT(finding.cause(), testing::HasSubstr("54 %")) << "six tenths, of which a tenth is right by chance";
}

TEST(NoisyLabels, NeighboursThatAgreeInBothAreNone) {
  EXPECT_EQ(With(Agree(0.75, 0.8)).Find("noisy_labels").rule(), "");
  EXPECT_EQ(With(Agree(0.3, 0.3)).Find("noisy_labels").rule(), "") << "hard data, or noise in both";
  EXPECT_EQ(With(Agree(0.8, 0.3)).Find("noisy_labels").rule(), "");
}

TEST(NoisyLabels, OtherSharesOfTheClassesAreNoNoise) {
  EXPECT_EQ(With(Agree(0.248, 0.8, "class_shift: 0.2")).Find("noisy_labels").rule(), "");
}

// Of 30 examples the standard errors are 0.10 and 0.08, of their difference 0.18 at most, and the gap is 0.33.
TEST(NoisyLabels, OfFewExamplesADifferenceMayBeChance) {
  std::string few = Agree(0.5, 0.8);
  EXPECT_NE(With(few).Find("noisy_labels").rule(), "");
  few.replace(few.find("compared: 500"), 13, "compared: 30 ");
  EXPECT_EQ(With(few).Find("noisy_labels").rule(), "");
}

TEST(NoisyLabels, OfNumbers) {
  const std::string prices = R"(
    network { layers { name: "a" dense { units: 8 } activation { relu {} } } layers { name: "out" dense { units: 1 } } }
    data { dataset: "prices" preprocessing { standardize {} } } epochs: 10)";
  const auto rule = [&](double training, double evaluation) {
    return With(absl::StrCat("evaluation { split: 'test' examples: 106 compared: 400 neighbour_agreement: ", evaluation,
                             " training_agreement: ", training, " }"),
                prices)
        .Find("noisy_labels")
        .rule();
  };
  EXPECT_EQ(rule(0.2, 0.6), "noisy_labels");
  EXPECT_EQ(rule(0.5, 0.6), "");
}

// Then none is right, and shuffled_labels speaks: it need not wait for an evaluation.
TEST(NoisyLabels, OfLabelsThatWereShuffledTheOtherRuleWarnsAtOnce) {
  const InsightLog log = With("compared: 512 neighbour_agreement: 0.1 chance_agreement: 0.1 " + Agree(0.1, 0.8));
  EXPECT_EQ(log.Find("noisy_labels").rule(), "");
  EXPECT_EQ(log.Find("shuffled_labels").severity(), v1::Finding::SEVERITY_WARNING);
  const InsightLog both = With("compared: 512 neighbour_agreement: 0.1 chance_agreement: 0.1 " + Agree(0.1, 0.12));
  EXPECT_EQ(both.Find("shuffled_labels").severity(), v1::Finding::SEVERITY_INFO) << "neighbours may say nothing";
}

}  // namespace
}  // namespace traind::core
