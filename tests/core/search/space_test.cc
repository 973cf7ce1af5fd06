#include "core/search/space.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/text_proto.h"

namespace traind::core {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> Violations(const v1::SweepSpec& spec) {
  FieldErrors::Root errors;
  CheckSpace(spec, errors.scope());
  std::vector<std::string> fields;
  for (const auto& violation : errors.violations().field_violations()) fields.push_back(violation.field());
  return fields;
}

// Of scipy.stats.loguniform(1e-4, 3e-1).ppf, scipy 1.10.
TEST(Space, LogUniformHasTheQuantilesOfScipy) {
  const auto rate = FromText<v1::Parameter>(R"(name: "r" paths: "a" log_uniform { low: 1e-4 high: 3e-1 })");
  const std::pair<double, double> recorded[] = {{0, 0.0001},
                                                {0.1, 0.0002226958508013302},
                                                {0.5, 0.005477225575051661},
                                                {0.77, 0.0475755005351371},
                                                {0.999, 0.29760767940805294}};
  for (const auto& [place, value] : recorded) {
    EXPECT_NEAR(ValueAt(rate, place).number() / value, 1, 1e-12) << place;
  }
}

// Kolmogorov and Smirnov: of 2000 draws D is above 0.0435 once in a thousand (scipy.stats.kstwo.ppf(0.999, 2000)); the
// draws are the same ones each time.
TEST(Space, DrawsAreUniform) {
  constexpr int kDraws = 2000;
  for (const char* name : {"learning_rate", "dropout"}) {
    std::vector<double> draws;
    for (int i = 1; i <= kDraws; ++i) draws.push_back(Draw(7, name, static_cast<uint32_t>(i)));
    std::sort(draws.begin(), draws.end());
    double distance = 0;
    for (int i = 0; i < kDraws; ++i) {
      const double at = draws[static_cast<size_t>(i)];
      distance = std::max({distance, double(i + 1) / kDraws - at, at - double(i) / kDraws});
    }
    EXPECT_LT(distance, 0.0435) << name;
    EXPECT_GE(draws.front(), 0);
    EXPECT_LT(draws.back(), 1);
  }
  EXPECT_NE(Draw(7, "a", 1), Draw(8, "a", 1));
  EXPECT_NE(Draw(7, "a", 1), Draw(7, "b", 1));
  EXPECT_NE(Draw(7, "a", 1), Draw(7, "a", 2));
}

TEST(Space, IntegersAreEquallyLikelyAndLogIntegersByTheirShareOfTheLogarithm) {
  const auto equal = FromText<v1::Parameter>(R"(name: "n" paths: "a" integer { low: 3 high: 6 })");
  std::map<std::string, int> count;
  for (int i = 0; i < 400; ++i) ++count[ValueAt(equal, i / 400.0).value()];
  EXPECT_THAT(count, ElementsAre(std::pair("3", 100), std::pair("4", 100), std::pair("5", 100), std::pair("6", 100)));
  const auto log = FromText<v1::Parameter>(R"(name: "n" paths: "a" integer { low: 1 high: 100 log: true })");
  // log((n + 0.5) / (n - 0.5)) / log(100.5 / 0.5): 0.2071 for 1, 0.0963 for 2 (numpy).
  count.clear();
  for (int i = 0; i < 10000; ++i) ++count[ValueAt(log, i / 10000.0).value()];
  EXPECT_NEAR(count["1"], 2071, 1);
  EXPECT_NEAR(count["2"], 963, 1);
  EXPECT_EQ(count.begin()->first, "1");
  EXPECT_GT(count["100"], 0);
  EXPECT_EQ(count.size(), 100u);
}

TEST(Space, AShuffleHasEveryNumberOnce) {
  std::vector<uint32_t> order = Shuffle(3, "p", 50);
  EXPECT_NE(order, Shuffle(4, "p", 50));
  std::vector<uint32_t> sorted = order;
  std::sort(sorted.begin(), sorted.end());
  for (uint32_t i = 0; i < 50; ++i) EXPECT_EQ(sorted[i], i);
}

TEST(Space, AGridHasItsPointsAndIntegersEachOnce) {
  const auto values = [](const std::string& text) {
    std::vector<std::string> texts;
    for (const auto& value : GridValues(FromText<v1::Parameter>(text))) texts.push_back(value.value());
    return texts;
  };
  EXPECT_THAT(values("uniform { low: 0 high: 1 points: 5 }"), ElementsAre("0", "0.25", "0.5", "0.75", "1"));
  const auto factors = GridValues(FromText<v1::Parameter>("log_uniform { low: 0.01 high: 100 points: 5 }"));
  for (int i = 0; i < 5; ++i) EXPECT_NEAR(factors[static_cast<size_t>(i)].number(), std::pow(10, i - 2), 1e-12);
  EXPECT_THAT(values("integer { low: 2 high: 5 }"), ElementsAre("2", "3", "4", "5"));
  EXPECT_THAT(values("integer { low: 1 high: 64 log: true points: 4 }"), ElementsAre("1", "4", "16", "64"));
  EXPECT_THAT(values("integer { low: 1 high: 3 points: 9 }"), ElementsAre("1", "2", "3"));
  EXPECT_THAT(values(R"(choice { values: "b" values: "a" })"), ElementsAre("b", "a"));
}

TEST(Space, NamesAreTheEndsOfPathsAsLongAsTheyMustBe) {
  auto spec = FromText<v1::SweepSpec>(R"(space { paths: "optimizer.learning_rate" }
    space { paths: "network.layers[0].dense.units" } space { paths: "network.layers[fc.2].dense.units" }
    space { name: "mine" paths: "seed" } space { paths: "a.mine" })");
  NameParameters(spec);
  EXPECT_EQ(spec.space(0).name(), "learning_rate");
  EXPECT_EQ(spec.space(1).name(), "units");
  EXPECT_EQ(spec.space(2).name(), "dense.units");
  EXPECT_EQ(spec.space(3).name(), "mine");
  EXPECT_EQ(spec.space(4).name(), "a.mine");
}

TEST(Space, WhatIsWrongIsSaidWhereItIs) {
  const auto bad = FromText<v1::SweepSpec>(R"(random {}
    space { name: "A" paths: "x" uniform { low: 1 high: 1 points: 3 } }
    space { name: "b" paths: "y" paths: "y.z" log_uniform { low: 0 high: 1 } }
    space { name: "b" choice { values: "1" values: "1" } }
    space { paths: "w" } space { paths: "v" integer { low: 2 high: 1 } })");
  EXPECT_THAT(Violations(bad),
              ElementsAre("space[0].name", "space[0].uniform.high", "space[0].uniform.points", "space[1].paths[1]",
                          "space[1].log_uniform.low", "space[2].name", "space[2].paths", "space[2].choice.values[1]",
                          "space[3]", "space[4].integer.high"));
  EXPECT_THAT(Violations(FromText<v1::SweepSpec>("grid {} space { paths: \"x\" uniform { low: 0 high: 1 } }")),
              ElementsAre("space[0].uniform.points"));
  EXPECT_THAT(Violations(FromText<v1::SweepSpec>("external {}")), IsEmpty());
  EXPECT_THAT(Violations(FromText<v1::SweepSpec>("random {}")), ElementsAre("space"));
}

TEST(Space, APathThatMaySetWhatAnotherSetsIsRefused) {
  const auto both = [](const std::string& a, const std::string& b) {
    v1::SweepSpec spec = FromText<v1::SweepSpec>(
        "random {} space { uniform { low: 0 high: 1 } } "
        "space { uniform { low: 0 high: 1 } }");
    spec.mutable_space(0)->add_paths(a);
    spec.mutable_space(1)->add_paths(b);
    return Violations(spec);
  };
  const std::pair<const char*, const char*> same[] = {{"a.b", "a.b.c"},
                                                      {"network.layers", "network.layers[1].dense.units"},
                                                      {"network.layers[1].x", "network.layers[1]"},
                                                      {"network.layers[1].x", "network.layers[fc1].x"},
                                                      {"network.layers[1].x", "network.layers[\"fc1\"]"},
                                                      {"network.layers[fc1].x", "network.layers[\"fc1\"].x"}};
  for (const auto& [a, b] : same) {
    EXPECT_THAT(both(a, b), ElementsAre("space[1].paths[0]")) << a << " " << b;
    EXPECT_THAT(both(b, a), ElementsAre("space[1].paths[0]")) << a << " " << b;
  }
  EXPECT_THAT(both("network.layers[1].x", "network.layers[12].x"), IsEmpty());
  EXPECT_THAT(both("network.layers[fc1].x", "network.layers[fc2].x"), IsEmpty());
  EXPECT_THAT(both("network.layers[1].x", "network.layers[1].y"), IsEmpty());
}

TEST(Space, PerturbedValuesStayInTheSpace) {
  const auto rate = FromText<v1::Parameter>(R"(name: "r" uniform { low: 0 high: 1 })");
  EXPECT_DOUBLE_EQ(Perturbed(rate, AssignmentOf(rate, "0.5"), true).number(), 0.6);
  EXPECT_DOUBLE_EQ(Perturbed(rate, AssignmentOf(rate, "0.5"), false).number(), 0.4);
  EXPECT_EQ(Perturbed(rate, AssignmentOf(rate, "0.9"), true).value(), "1");
  const auto count = FromText<v1::Parameter>(R"(name: "n" integer { low: 1 high: 9 })");
  EXPECT_EQ(Perturbed(count, AssignmentOf(count, "2"), true).value(), "3");
  EXPECT_EQ(Perturbed(count, AssignmentOf(count, "1"), false).value(), "1");
  const auto kind = FromText<v1::Parameter>(R"(name: "k" choice { values: "a" values: "b" values: "c" })");
  EXPECT_EQ(Perturbed(kind, AssignmentOf(kind, "b"), true).value(), "c");
  EXPECT_EQ(Perturbed(kind, AssignmentOf(kind, "c"), true).value(), "c");
}

}  // namespace
}  // namespace traind::core
