// What other tools' profiles stand for, and how a job's own words stand on them.
#include "core/insight/profiles.h"

#include "gmock/gmock.h"
#include "tests/support/insight_log.h"

namespace traind::core {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

constexpr v1::InsightSpec::Profile kOfOthers[] = {
    v1::InsightSpec::PROFILE_SAGEMAKER, v1::InsightSpec::PROFILE_DEEPDIAGNOSIS, v1::InsightSpec::PROFILE_AUTOTRAINER,
    v1::InsightSpec::PROFILE_THEDEEPCHECKER};

// Without a violation.
v1::InsightSpec Resolve(const std::string& text, std::vector<std::string>* names = nullptr) {
  auto spec = FromText<v1::InsightSpec>(text);
  FieldErrors::Root errors;
  const Rules rules = ResolveInsight(spec, errors.scope("insight"));
  EXPECT_TRUE(errors.ok()) << errors.ToStatus();
  for (const auto& [name, rule] : rules) {
    if (names != nullptr) names->push_back(name);
  }
  return spec;
}

const v1::Rule& Thresholds(const v1::InsightSpec& spec, v1::Rule::KindCase kind) {
  static const v1::Rule kNone;
  for (const v1::Rule& rule : spec.thresholds()) {
    if (rule.kind_case() == kind) return rule;
  }
  return kNone;
}

TEST(Profiles, EachParsesNamesRulesThatThereAreAndStaysAsItIs) {
  for (const auto profile : kOfOthers) {
    SCOPED_TRACE(v1::InsightSpec::Profile_Name(profile));
    ASSERT_THAT(BaseOf(profile).rules(), Not(IsEmpty())) << "the text does not parse";
    for (const v1::Rule& rule : BaseOf(profile).thresholds())
      EXPECT_THAT(BaseOf(profile).rules(), Contains(KindName(rule)));
    std::vector<std::string> names;
    v1::InsightSpec given;
    given.set_profile(profile);
    const v1::InsightSpec once = Resolve(given.ShortDebugString(), &names);
    EXPECT_THAT(names, SizeIs(BaseOf(profile).rules_size()));
    // The stored, resolved spec is resolved again wherever a job is watched.
    EXPECT_EQ(Resolve(once.ShortDebugString()).SerializeAsString(), once.SerializeAsString());
  }
  EXPECT_EQ(BaseOf(v1::InsightSpec::PROFILE_DEFAULT).ByteSizeLong(), 0u);
  EXPECT_EQ(BaseOf(v1::InsightSpec::PROFILE_OFF).ByteSizeLong(), 0u);
}

TEST(Profiles, TheJobsOwnWordsStandOnThem) {
  std::vector<std::string> names;
  const v1::InsightSpec spec = Resolve(R"(
      profile: PROFILE_SAGEMAKER skip: "overtraining"
      thresholds { saturation { most_share: 0.9 } } thresholds { update_ratio { most: 2 } })",
                                       &names);
  EXPECT_THAT(names, AllOf(Contains("dead_relu"), Not(Contains("overtraining")), Not(Contains("loss_plateau"))));
  EXPECT_EQ(Thresholds(spec, v1::Rule::kSaturation).saturation().most_share(), 0.9);
  EXPECT_EQ(Thresholds(spec, v1::Rule::kUpdateRatio).update_ratio().most(), 2);
  EXPECT_EQ(Thresholds(spec, v1::Rule::kUpdateRatio).update_ratio().least(), 1e-8) << "of the profile";
  EXPECT_EQ(Thresholds(spec, v1::Rule::kVanishingGradient).vanishing_gradient().least_rms(), 1e-7);
  EXPECT_TRUE(spec.warn_while_improving());

  std::vector<std::string> only;
  Resolve("profile: PROFILE_SAGEMAKER rules: 'loss_plateau' rules: 'dead_relu'", &only);
  EXPECT_THAT(only, testing::UnorderedElementsAre("dead_relu", "loss_plateau"));
  EXPECT_FALSE(Resolve("profile: PROFILE_SAGEMAKER warn_while_improving: false").warn_while_improving());
  EXPECT_FALSE(Resolve("").has_warn_while_improving());
}

TEST(Profiles, AWrongThresholdIsSaidAtThePlaceThatTheJobGaveIt) {
  auto spec = FromText<v1::InsightSpec>(R"(
      profile: PROFILE_AUTOTRAINER thresholds { dead_relu { most_share: 2 } } thresholds { saturation {} }
      thresholds { exploding_gradient { most_rms: -1 } } thresholds { vanishing_gradient { least_rms: 0 } })");
  FieldErrors::Root errors;
  ResolveInsight(spec, errors.scope("insight"));
  std::vector<std::string> fields;
  for (const auto& violation : errors.violations().field_violations()) fields.push_back(violation.field());
  EXPECT_THAT(fields, ElementsAre("insight.thresholds[0].dead_relu.most_share",
                                  "insight.thresholds[2].exploding_gradient.most_rms",
                                  "insight.thresholds[3].vanishing_gradient.least_rms"));
}

// 60 of 100 units dead while the loss falls: half of the layer is enough for SageMaker Debugger, not for AutoTrainer
// and DeepDiagnosis.
TEST(Profiles, TheSameRunIsJudgedAsTheyDo) {
  const auto run = [](const std::string& insight) {
    InsightLog log(std::string(kHealthyJob) + " insight { " + insight + " }");
    v1::StatisticsReport report = log.Report();
    report.mutable_layers(0)->set_dead_units(60);
    log.Run(600, InsightLog::Falls, report);
    return log.Bad();
  };
  EXPECT_THAT(run("profile: PROFILE_SAGEMAKER"), ElementsAre("dead_relu/first"));
  EXPECT_THAT(run("profile: PROFILE_THEDEEPCHECKER"), ElementsAre("dead_relu/first"));
  EXPECT_THAT(run("profile: PROFILE_DEEPDIAGNOSIS"), IsEmpty());
  EXPECT_THAT(run("profile: PROFILE_AUTOTRAINER"), IsEmpty());
  EXPECT_THAT(run(""), IsEmpty()) << "the run improves";
  EXPECT_THAT(run("warn_while_improving: true"), ElementsAre("dead_relu/first"));
  EXPECT_THAT(run("profile: PROFILE_SAGEMAKER warn_while_improving: false"), IsEmpty());
}

TEST(Profiles, GradientsAsSuchAreLookedAtWhereAThresholdSaysSo) {
  const auto run = [](const std::string& thresholds, float gradient) {
    InsightLog log(std::string(kHealthyJob) + " insight { " + thresholds + " }");
    v1::StatisticsReport report = log.Report();
    for (v1::ParameterStatistics& parameter : *report.mutable_parameters()) parameter.set_gradient_std(gradient);
    log.Run(600, InsightLog::Stays, report);
    return log;
  };
  const std::string vanishing = "thresholds { vanishing_gradient { least_rms: 1e-7 } }";
  EXPECT_FALSE(run("", 1e-8F).IsOpen("vanishing_gradient/first")) << "none is smaller than the others";
  EXPECT_FLOAT_EQ(run(vanishing, 1e-8F).Find("vanishing_gradient/first").evidence().value(), 1e-8);
  EXPECT_FALSE(run(vanishing, 1e-6F).IsOpen("vanishing_gradient/first"));
  const std::string exploding = "thresholds { exploding_gradient { most_rms: 10 } }";
  EXPECT_FALSE(run("", 50).IsOpen("exploding_gradient/first"));
  EXPECT_EQ(run(exploding, 50).Find("exploding_gradient/first").evidence().threshold(), 10);
  EXPECT_FALSE(run(exploding, 5).IsOpen("exploding_gradient/first"));
}

}  // namespace
}  // namespace traind::core
