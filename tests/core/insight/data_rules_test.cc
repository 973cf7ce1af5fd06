// The rules of the data: each with a profile that has its fault, and with one at its edge that has not.
#include "gmock/gmock.h"
#include "tests/support/insight_log.h"

namespace traind::core {
namespace {

v1::DataProfile With(const InsightLog& log, const std::string& changes) {
  v1::DataProfile profile = log.Profile();
  profile.MergeFrom(FromText<v1::DataProfile>(changes));
  return profile;
}

TEST(DataRules, OfSoundDataNothingIsSaid) {
  InsightLog log;
  log.Data(log.Profile());
  for (const v1::Event& event : log.events) EXPECT_FALSE(event.has_finding()) << event.ShortDebugString();
}

TEST(DataRules, AMeanBeyondTheDeviation) {
  InsightLog log;
  log.Data(With(log, "mean: 3"));
  EXPECT_EQ(log.Find("data_not_centered").slide(), 38u);
  EXPECT_EQ(log.Find("data_not_centered").fix().patch().data().preprocessing_size(), 2) << "behind what is there";
}

TEST(DataRules, NumbersTooLargeOrTooSmall) {
  InsightLog large, small;
  large.Data(With(large, "std: 80"));
  small.Data(With(small, "std: 0.01"));
  EXPECT_EQ(large.Find("data_scale").evidence().relation(), v1::Evidence::RELATION_ABOVE);
  EXPECT_EQ(small.Find("data_scale").evidence().relation(), v1::Evidence::RELATION_BELOW);
}

TEST(DataRules, ConstantFeaturesOfImagesAreGoodToKnow) {
  InsightLog log;
  log.Data(With(log, "constant_features: 500"));
  EXPECT_EQ(log.Find("constant_features").severity(), v1::Finding::SEVERITY_INFO);
}

TEST(DataRules, AClassWithAHundredthOfTheExamples) {
  InsightLog log;
  v1::DataProfile profile = log.Profile();
  profile.set_class_counts(4, 60);
  log.Data(profile);
  EXPECT_EQ(log.Find("class_imbalance").evidence().value(), 100);
  EXPECT_EQ(log.Find("class_imbalance").severity(), v1::Finding::SEVERITY_INFO);
  profile.set_class_counts(4, 0);
  InsightLog none;
  none.Data(profile);
  EXPECT_EQ(none.Find("class_imbalance").severity(), v1::Finding::SEVERITY_WARNING);
}

constexpr char kFlowers[] = R"(
  network { layers { name: "a" dense { units: 8 } activation { relu {} } } layers { name: "out" dense { units: 3 } } }
  data { dataset: "flowers" preprocessing { standardize {} } } optimizer { learning_rate: 0.1 } epochs: 10)";
constexpr char kPrices[] = R"(
  network { layers { name: "a" dense { units: 8 } activation { relu {} } } layers { name: "out" dense { units: 1 } } }
  data { dataset: "prices" preprocessing { standardize {} } } optimizer { learning_rate: 0.1 } epochs: 10)";

// What is found with these changes of a sound profile, by id; empty: nothing.
v1::Finding FindWith(const std::string& id, const std::string& changes, const std::string& spec = kHealthyJob) {
  InsightLog log(spec);
  log.Data(With(log, changes));
  return log.Find(id);
}
bool Speaks(const std::string& id, const std::string& changes, const std::string& spec = kHealthyJob) {
  return FindWith(id, changes, spec).state() == v1::Finding::STATE_OPEN;
}

TEST(DataRules, FeaturesThatAreCopiesOfAnother) {
  const std::string few = "features: 4 sampled: 120 constant_features: 1 ";
  const v1::Finding finding = FindWith("duplicated_features", few + "duplicated_features: 1", kFlowers);
  EXPECT_EQ(finding.severity(), v1::Finding::SEVERITY_INFO);
  EXPECT_NEAR(finding.evidence().value(), 1.0 / 3, 1e-12);
  EXPECT_FALSE(Speaks("duplicated_features", few, kFlowers));
  EXPECT_FALSE(Speaks("duplicated_features", "features: 4 sampled: 20 duplicated_features: 1", kFlowers)) << "chance";
  EXPECT_FALSE(Speaks("duplicated_features", "duplicated_features: 70"));
  EXPECT_TRUE(Speaks("duplicated_features", "duplicated_features: 90")) << "of images more than a tenth";
}

TEST(DataRules, LabelsOfOneClass) {
  InsightLog log;
  v1::DataProfile profile = log.Profile();
  for (int i = 0; i < 10; ++i) profile.set_class_counts(i, i == 3 ? 60000 : 0);
  profile.set_neighbour_agreement(1);
  profile.set_chance_agreement(1);
  profile.set_compared(512);
  log.Data(profile);
  EXPECT_EQ(log.Find("constant_labels").severity(), v1::Finding::SEVERITY_CRITICAL);
  EXPECT_EQ(log.Bad(), std::vector<std::string>{"constant_labels"}) << "and no other rule says it again";
  EXPECT_THAT(log.Find("constant_labels").cause(), testing::HasSubstr("all 60000 training examples have the class 3"));
  profile.set_class_counts(4, 1);
  InsightLog two;
  two.Data(profile);
  EXPECT_FALSE(two.IsOpen("constant_labels")) << "two classes, though those compared are of one";
  EXPECT_TRUE(two.IsOpen("class_imbalance"));

  const std::string same = "compared: 400 chance_agreement: 1 neighbour_agreement: 1";
  InsightLog numbers(kPrices);
  v1::DataProfile prices = With(numbers, same);
  prices.clear_class_counts();
  numbers.Data(prices);
  EXPECT_TRUE(numbers.IsOpen("constant_labels"));
}

// With ten classes and 512 examples the standard error of (agreement - chance) / (1 - chance) is 0.0147.
TEST(DataRules, LabelsThatHaveNothingToDoWithTheExamples) {
  const auto agrees = [](double agreement, int compared = 512, double chance = 0.1) {
    return "compared: " + std::to_string(compared) + " neighbour_agreement: " + std::to_string(agreement) +
           " chance_agreement: " + std::to_string(chance);
  };
  const v1::Finding finding = FindWith("shuffled_labels", agrees(0.11));
  EXPECT_NEAR(finding.evidence().value(), 0.01 / 0.9, 1e-5);
  EXPECT_EQ(finding.evidence().threshold(), 0.05);
  EXPECT_EQ(finding.severity(), v1::Finding::SEVERITY_WARNING) << "there is no evaluation that would tell";
  EXPECT_FALSE(Speaks("shuffled_labels", agrees(0.15)));
  EXPECT_FALSE(Speaks("shuffled_labels", agrees(0.1, 60))) << "six examples of a class";
  EXPECT_FALSE(Speaks("shuffled_labels", "")) << "not measured";
  // Of two classes two standard errors are 0.088 with 512 examples, and 0.14 with 200: then nothing is said.
  EXPECT_TRUE(Speaks("shuffled_labels", agrees(0.54, 512, 0.5)));
  EXPECT_FALSE(Speaks("shuffled_labels", agrees(0.55, 512, 0.5)));
  EXPECT_FALSE(Speaks("shuffled_labels", agrees(0.5, 200, 0.5)));
  // 40 % of the labels of two classes drawn anew: 0.8^2 + 0.2^2 agree.
  EXPECT_FALSE(Speaks("shuffled_labels", agrees(0.68, 512, 0.5)));

  EXPECT_TRUE(Speaks("shuffled_labels", agrees(0.1, 400, 0), kPrices));
  EXPECT_FALSE(Speaks("shuffled_labels", agrees(0.3, 400, 0), kPrices));
  EXPECT_FALSE(Speaks("shuffled_labels", agrees(0.1, 150, 0), kPrices));
  const std::string encoder = R"(
    network { layers { name: "a" dense { units: 8 } activation { relu {} } } layers { name: "out" dense { units: 4 } } }
    data { dataset: "flowers" targets: TARGET_SOURCE_INPUT preprocessing { standardize {} } })";
  EXPECT_FALSE(Speaks("shuffled_labels", agrees(0.34, 512, 0.333), encoder)) << "it reads no labels";
}

// The loss to beat is the first one, 2.28: an evaluation above 0.95 times that, 2.16, is no better than guessing.
TEST(DataRules, ShuffledLabelsAreWarnedOfWhenAnEvaluationIsNoBetterThanGuessing) {
  const std::string shuffled =
      "compared: 512 neighbour_agreement: 0.1 chance_agreement: 0.1 evaluation { split: 'test' examples: 10000 }";
  const auto severity = [](const InsightLog& log) { return log.Find("shuffled_labels").severity(); };
  InsightLog guesses, learns;
  for (InsightLog* log : {&guesses, &learns}) {
    log->Data(With(*log, shuffled));
    EXPECT_EQ(severity(*log), v1::Finding::SEVERITY_INFO);
    log->Evaluation(1, 2.31);
    EXPECT_EQ(severity(*log), v1::Finding::SEVERITY_INFO) << "it has hardly begun";
  }
  learns.Run(300, InsightLog::Falls, learns.Report());
  learns.Evaluation(300, 2.15);
  EXPECT_EQ(severity(learns), v1::Finding::SEVERITY_INFO);
  learns.Evaluation(400, 2.5);
  EXPECT_EQ(severity(learns), v1::Finding::SEVERITY_INFO) << "it has overfitted";
  guesses.Run(300, InsightLog::Falls, guesses.Report());  // By heart.
  guesses.Evaluation(300, 2.2);
  EXPECT_EQ(severity(guesses), v1::Finding::SEVERITY_WARNING);
  guesses.Evaluation(400, 2.1);
  EXPECT_EQ(severity(guesses), v1::Finding::SEVERITY_INFO) << "no labels that were shuffled";
}

TEST(DataRules, ShuffledLabelsExplainALossThatDoesNotFall) {
  InsightLog log;
  log.Data(With(log, "compared: 512 neighbour_agreement: 0.1 chance_agreement: 0.1"));
  log.Run(600, InsightLog::Stays, log.Report());
  EXPECT_EQ(log.Find("loss_not_falling").root(), "shuffled_labels");
}

TEST(DataRules, ExamplesInBothSplits) {
  const std::string evaluation = "evaluation { split: 'test' examples: 10000 sampled: 1000 ";
  const v1::Finding finding = FindWith("shared_examples/test", evaluation + "shared: 20 }");
  EXPECT_EQ(finding.severity(), v1::Finding::SEVERITY_WARNING);
  EXPECT_EQ(finding.evidence().value(), 0.02);
  EXPECT_FALSE(Speaks("shared_examples/test", evaluation + "shared: 10 }"));
}

TEST(DataRules, SplitsThatDiffer) {
  const std::string evaluation = "evaluation { split: 'test' examples: 10000 sampled: 1000 ";
  EXPECT_EQ(FindWith("split_shift/test", evaluation + "shift: 0.6 }").severity(), v1::Finding::SEVERITY_WARNING);
  EXPECT_EQ(FindWith("split_shift/test", evaluation + "shift: 0.6 class_shift: 0.4 }").evidence().threshold(), 0.3);
  EXPECT_FALSE(Speaks("split_shift/test", evaluation + "shift: 0.5 class_shift: 0.3 }"));
  // The means of five examples lie 0.45 apart by chance; the shares of ten classes among ten examples 0.38.
  EXPECT_FALSE(Speaks("split_shift/test", "evaluation { split: 'test' examples: 5 sampled: 5 shift: 1.3 }"));
  EXPECT_TRUE(Speaks("split_shift/test", "evaluation { split: 'test' examples: 5 sampled: 5 shift: 1.4 }"));
  EXPECT_FALSE(Speaks("split_shift/test", "evaluation { split: 'test' examples: 10 sampled: 10 class_shift: 0.7 }"));
  EXPECT_TRUE(Speaks("split_shift/test", "evaluation { split: 'test' examples: 10 sampled: 10 class_shift: 0.8 }"));
}

TEST(DataRules, WhileTheRunImprovesTheyInform) {
  InsightLog good, bad, plain;
  good.Data(With(good, "std: 0.05"));
  bad.Data(With(bad, "std: 0.05"));
  plain.Data(With(plain, "std: 80"));
  good.Run(600, InsightLog::Falls, good.Report());
  bad.Run(600, InsightLog::Stays, bad.Report());
  plain.Run(600, InsightLog::Falls, plain.Report());
  EXPECT_EQ(good.Find("data_scale").severity(), v1::Finding::SEVERITY_INFO) << "rare features are so small";
  EXPECT_EQ(plain.Find("data_scale").severity(), v1::Finding::SEVERITY_WARNING) << "bytes, not normalized";
  EXPECT_EQ(bad.Find("data_scale").severity(), v1::Finding::SEVERITY_WARNING);
  EXPECT_EQ(bad.Find("loss_not_falling").root(), "data_scale");
}

}  // namespace
}  // namespace traind::core
