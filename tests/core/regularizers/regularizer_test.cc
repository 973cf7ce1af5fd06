#include "core/kinds/regularizer.h"

#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/text_proto.h"

namespace traind::core {
namespace {

PenaltyStrength Strength(const std::string& text, std::vector<std::string>* fields = nullptr) {
  auto config = FromText<v1::Regularizer>(text);
  FieldErrors::Root errors;
  const auto regularizer = Registry<Regularizer>::Get().Create(config, errors.scope());
  if (fields == nullptr) {
    EXPECT_TRUE(errors.ok()) << text;
  } else {
    for (const auto& violation : errors.violations().field_violations()) fields->push_back(violation.field());
  }
  return regularizer ? regularizer->strength() : PenaltyStrength();
}

TEST(RegularizerTest, StrengthsAreThoseOfTheConfig) {
  EXPECT_EQ(Strength("l1 { strength: 0.5 }").l1, 0.5);
  EXPECT_EQ(Strength("l1 { strength: 0.5 }").l2, 0);
  EXPECT_EQ(Strength("l2 { strength: 0.25 }").l1, 0);
  EXPECT_EQ(Strength("l2 { strength: 0.25 }").l2, 0.25);
  EXPECT_EQ(Strength("elastic_net { l1: 1 l2: 2 }").l1, 1);
  EXPECT_EQ(Strength("elastic_net { l1: 1 l2: 2 }").l2, 2);
  EXPECT_EQ(Strength("max_norm { limit: 3 }").max_norm, 3);
  EXPECT_EQ(Strength("max_norm { limit: 3 }").l2, 0);
}

TEST(RegularizerTest, NamesTheFieldsThatAreWrong) {
  const std::vector<std::pair<std::string, std::vector<std::string>>> cases = {
      {"l1 { strength: -1 }", {"l1.strength"}},
      {"l2 { strength: nan }", {"l2.strength"}},
      {"l2 { strength: 1e300 }", {"l2.strength"}},
      {"elastic_net { l1: -1 l2: inf }", {"elastic_net.l1", "elastic_net.l2"}},
      {"max_norm {}", {"max_norm.limit"}},
      {"max_norm { limit: -1 }", {"max_norm.limit"}},
      {"max_norm { limit: nan }", {"max_norm.limit"}},
      {"", {""}},
  };
  for (const auto& [text, expected] : cases) {
    std::vector<std::string> fields;
    Strength(text, &fields);
    EXPECT_EQ(fields, expected) << text;
  }
}

}  // namespace
}  // namespace traind::core
