#include "core/checkpoint/weight_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/checkpoint/match_weights.h"
#include "tests/support/text_proto.h"

namespace traind::core {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Optional;

TEST(MatchPatternTest, AStarStandsForAnyCharacters) {
  EXPECT_THAT(MatchPattern("fc.*", "fc.weight"), Optional(ElementsAre("weight")));
  EXPECT_THAT(MatchPattern("*.weight", "layer1.0.conv1.weight"), Optional(ElementsAre("layer1.0.conv1")));
  EXPECT_THAT(MatchPattern("layer*.*.bn*.*", "layer1.0.bn2.running_mean"),
              Optional(ElementsAre("1", "0", "2", "running_mean")));
  EXPECT_THAT(MatchPattern("fc.bias", "fc.bias"), Optional(IsEmpty()));
  EXPECT_THAT(MatchPattern("*", ""), Optional(ElementsAre("")));
  EXPECT_THAT(MatchPattern("a**b", "a-b"), Optional(ElementsAre("", "-")));
}

TEST(MatchPatternTest, EverythingElseStandsForItself) {
  EXPECT_EQ(MatchPattern("fc.*", "fcxweight"), std::nullopt);
  EXPECT_EQ(MatchPattern("fc.*", "myfc.weight"), std::nullopt);
  EXPECT_EQ(MatchPattern("*.weight", "fc.weights"), std::nullopt);
  // The ends may not overlap.
  EXPECT_EQ(MatchPattern("aba*aba", "ababa"), std::nullopt);
  EXPECT_EQ(MatchPattern("", "a"), std::nullopt);
}

// A pattern and a name that a matcher with backtracking would not get through.
TEST(MatchPatternTest, TakesNoLongerForManyStars) {
  std::string pattern;
  for (int i = 0; i < 120; ++i) pattern += "*a";
  EXPECT_EQ(MatchPattern(pattern + "b*", std::string(100'000, 'a')), std::nullopt);
}

TEST(SourceOfTest, TheFirstRuleThatMatchesDecides) {
  const auto weights = FromText<v1::InitialWeights>(R"pb(
    rules { to: "head.bias" skip: true }
    rules { to: "head.*" from: "fc.*" }
    rules { to: "*" from: "backbone.*" }
  )pb");
  EXPECT_EQ(SourceOf("head.bias", weights).rule, 0);
  EXPECT_EQ(SourceOf("head.bias", weights).name, std::nullopt);
  EXPECT_THAT(SourceOf("head.weight", weights).name, Optional(std::string("fc.weight")));
  EXPECT_THAT(SourceOf("conv1.weight", weights).name, Optional(std::string("backbone.conv1.weight")));
  EXPECT_EQ(SourceOf("conv1.weight", {}).rule, -1);
  EXPECT_THAT(SourceOf("conv1.weight", {}).name, Optional(std::string("conv1.weight")));
}

TEST(CheckWeightRulesTest, NamesTheFieldAndWhatWouldBeRight) {
  FieldErrors::Root errors;
  CheckWeightRules(FromText<v1::InitialWeights>(R"pb(
                     rules { from: "fc.*" }
                     rules { to: "head.*" from: "fc.weight" }
                     rules { to: "head.*" }
                     rules { to: "head.*" skip: false }
                     rules { to: "good.*" from: "better.*" }
                   )pb"),
                   errors.scope("initial_weights"));
  const std::string message(errors.ToStatus().message());
  EXPECT_THAT(message, HasSubstr("initial_weights.rules[0].to: is required"));
  EXPECT_THAT(message, HasSubstr("initial_weights.rules[1].from: has 0 \"*\", and `to` has 1"));
  EXPECT_THAT(message, HasSubstr("initial_weights.rules[2]: needs `from`"));
  EXPECT_THAT(message, HasSubstr("initial_weights.rules[3].skip: must be true"));
  EXPECT_THAT(message, Not(HasSubstr("rules[4]")));
}

}  // namespace
}  // namespace traind::core
