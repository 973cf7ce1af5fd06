// An augmentation that leaves too little of an image of 28 x 28 pixels.
#include "gmock/gmock.h"
#include "tests/support/insight_log.h"

namespace traind::core {
namespace {

InsightLog With(const std::string& augmentation) {
  InsightLog log(R"(
    network { layers { name: "out" dense { units: 10 } } }
    data { dataset: "images" preprocessing { standardize {} } )" +
                 augmentation + " } optimizer { learning_rate: 0.1 } batch_size: 100 epochs: 1");
  log.Data(log.Profile());
  return log;
}

TEST(StrongAugmentation, CropsOfATenthAreWarnedOfBeforeTheJobStarts) {
  const InsightLog log = With("augmentation { random_resized_crop { min_area: 0.05 max_area: 0.15 } }");
  const v1::Finding finding = log.Find("strong_augmentation");
  EXPECT_TRUE(finding.warned());
  EXPECT_NEAR(finding.evidence().value(), 0.1, 1e-9);
  const v1::Augmentation& mended = finding.fix().patch().data().augmentation(0);
  EXPECT_TRUE(mended.has_random_resized_crop());
  EXPECT_FALSE(mended.random_resized_crop().has_max_area()) << "as it is by default";
}

TEST(StrongAugmentation, CutoutOfMostOfTheImage) {
  const v1::Finding finding = With("augmentation { cutout { size: 24 } }").Find("strong_augmentation");
  EXPECT_NEAR(finding.evidence().value(), 1 - 24.0 * 24 / (28 * 28), 1e-9);
  EXPECT_EQ(finding.fix().patch().data().augmentation(0).cutout().size(), 12u);
}

TEST(StrongAugmentation, UsualOnesAreNone) {
  for (const char* usual : {"augmentation { random_resized_crop {} }", "augmentation { cutout { size: 14 } }",
                            "augmentation { rotate { max_degrees: 45 } }", "augmentation { horizontal_flip {} }",
                            "augmentation { random_resized_crop { max_area: 0.15 } probability: 0.5 }"}) {
    EXPECT_EQ(With(usual).Find("strong_augmentation").rule(), "") << usual;
  }
}

TEST(StrongAugmentation, OfTurnsOnlyARunThatDoesNotImproveIsWarned) {
  const std::string turns = "augmentation { rotate { max_degrees: 180 } }";
  InsightLog good = With(turns), bad = With(turns);
  EXPECT_EQ(good.Find("strong_augmentation").severity(), v1::Finding::SEVERITY_INFO);
  EXPECT_THAT(good.warnings, testing::IsEmpty());
  good.Run(600, InsightLog::Falls, good.Report());
  bad.Run(600, InsightLog::Stays, bad.Report());
  EXPECT_EQ(good.Find("strong_augmentation").severity(), v1::Finding::SEVERITY_INFO);
  const v1::Finding finding = bad.Find("strong_augmentation");
  EXPECT_EQ(finding.severity(), v1::Finding::SEVERITY_WARNING);
  EXPECT_EQ(finding.fix().patch().data().augmentation(0).rotate().max_degrees(), 45);
}

TEST(StrongAugmentation, ErasingMostOfTheImage) {
  const v1::Finding finding = With("augmentation { random_erasing { min_area: 0.7 max_area: 0.9 } probability: 1 }")
                                  .Find("strong_augmentation");
  EXPECT_NEAR(finding.evidence().value(), 0.2, 1e-9);
  EXPECT_FALSE(finding.fix().patch().data().augmentation(0).random_erasing().has_min_area()) << "as it is by default";
  EXPECT_EQ(With("augmentation { random_erasing {} }").Find("strong_augmentation").rule(), "");
}

// Three of four times a tenth is left, otherwise all.
TEST(StrongAugmentation, ChoicesOfOneOfCountByTheirWeights) {
  const std::string one_of =
      "augmentation { one_of { choices { random_resized_crop { min_area: 0.05 max_area: 0.15 } } "
      "choices { rotate { max_degrees: 90 } } weights: ";
  const v1::Finding finding = With(one_of + "[3, 1] } }").Find("strong_augmentation");
  EXPECT_NE(finding.rule(), "") << "turns alone are informed of";
  EXPECT_THAT(finding.cause(), testing::HasSubstr("up to 90 degrees"));
  EXPECT_EQ(finding.severity(), v1::Finding::SEVERITY_INFO) << "a mean of 0.325 is left";
  const v1::Finding stronger = With(one_of + "[9, 1] } }").Find("strong_augmentation");
  EXPECT_NEAR(stronger.evidence().value(), 0.9 * 0.1 + 0.1, 1e-9);
  const v1::OneOf& mended = stronger.fix().patch().data().augmentation(0).one_of();
  EXPECT_FALSE(mended.choices(0).random_resized_crop().has_max_area());
  EXPECT_EQ(mended.choices(1).rotate().max_degrees(), 45);
  EXPECT_EQ(With(one_of + "[0, 1] } probability: 0 }").Find("strong_augmentation").rule(), "");
}

}  // namespace
}  // namespace traind::core
