#include "server/resources/job_verb.h"

#include <gtest/gtest.h>

#include <set>
#include <utility>

#include "core/base/enum_name.h"
#include "tests/server/resources/expected_verbs.h"

namespace traind::server {
namespace {

std::string OutcomeOf(const VerbRule& rule) {
  switch (rule.effect) {
    case VerbRule::Effect::kMoves:
      return core::EnumName(rule.to);
    case VerbRule::Effect::kNothing:
      return "same";
    case VerbRule::Effect::kDeletes:
      return "gone";
    case VerbRule::Effect::kRefused:
      return "no";
  }
  return "";
}

TEST(JobVerbs, DoInEachStateWhatTheDesignSays) {
  for (const ExpectedVerb& expected : ExpectedVerbs()) {
    for (size_t i = 0; i < kStates.size(); ++i) {
      EXPECT_EQ(OutcomeOf(RuleOf(expected.verb, kStates[i])), expected.outcomes[i])
          << MethodOf(expected.verb) << " of a job that is " << core::EnumName(kStates[i]);
    }
  }
}

TEST(JobVerbs, HaveOneRuleForEachStateAndSayWhatToDoInstead) {
  std::set<std::pair<JobVerb, v1::JobState>> pairs;
  for (const VerbRule& rule : VerbRules()) {
    EXPECT_TRUE(pairs.emplace(rule.verb, rule.state).second)
        << MethodOf(rule.verb) << " " << core::EnumName(rule.state);
    EXPECT_EQ(rule.instead.empty(), rule.effect != VerbRule::Effect::kRefused);
  }
  EXPECT_EQ(pairs.size(), ExpectedVerbs().size() * kStates.size());
}

TEST(JobVerbs, AreRefusedInAStateThatThisServerDoesNotKnow) {
  EXPECT_EQ(RuleOf(JobVerb::kCancel, static_cast<v1::JobState>(77)).effect, VerbRule::Effect::kRefused);
}

}  // namespace
}  // namespace traind::server
