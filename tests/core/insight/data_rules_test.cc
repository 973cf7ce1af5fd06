// data_not_centered, data_scale, constant_features and class_imbalance.
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

TEST(DataRules, WhileTheRunImprovesTheyInform) {
  InsightLog good, bad;
  good.Data(With(good, "std: 80"));
  bad.Data(With(bad, "std: 80"));
  good.Run(600, InsightLog::Falls, good.Report());
  bad.Run(600, InsightLog::Stays, bad.Report());
  EXPECT_EQ(good.Find("data_scale").severity(), v1::Finding::SEVERITY_INFO);
  EXPECT_EQ(bad.Find("data_scale").severity(), v1::Finding::SEVERITY_WARNING);
  EXPECT_EQ(bad.Find("loss_not_falling").root(), "data_scale");
}

}  // namespace
}  // namespace traind::core
