// The pictures of the rules: each rule has one or a reason, each of its runs is one of the benchmark; and the drawing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <set>

#include "core/insight/resolve.h"
#include "tests/insight/drawing.h"
#include "tests/insight/pictured.h"

namespace traind::insight {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::UnorderedElementsAreArray;

TEST(PicturesTest, EachRuleHasOneOrAReason) {
  std::vector<std::string> rules;
  for (const Shown& shown : AllShown()) rules.push_back(shown.rule);
  for (const Unpictured& one : WithoutPicture()) {
    rules.push_back(one.rule);
    EXPECT_STRNE(one.why, "");
  }
  EXPECT_THAT(rules, UnorderedElementsAreArray(core::RuleNames()))
      << "a new rule gets its runs in tests/insight/pictured.cc, then traind-insight-bench --pictures .";
}

TEST(PicturesTest, EachRunIsOneOfTheBenchmark) {
  std::set<std::string> same;  // As the healthy one: the fault changes nothing.
  for (const Shown& shown : AllShown()) {
    ASSERT_FALSE(shown.runs.empty()) << shown.rule;
    for (const char* text : shown.runs) {
      const auto faulty = RunOf(text, false), healthy = RunOf(text, true);
      ASSERT_TRUE(faulty.ok() && healthy.ok()) << shown.rule << ": " << text << ": " << faulty.status();
      EXPECT_NE(WordsOf(faulty->kind), faulty->kind) << "it is told in words";
      const bool changed = faulty->job.change != healthy->job.change ||
                           faulty->job.spec.SerializeAsString() != healthy->job.spec.SerializeAsString();
      if (!changed) same.insert(faulty->kind);
    }
  }
  EXPECT_THAT(same, testing::ElementsAre("none"));
  EXPECT_FALSE(RunOf("mlp fashion no_batch_norm", false).ok()) << "a fault that does not fit the network";
}

std::vector<std::pair<uint64_t, double>> Line(double from, double to, uint64_t steps = 300) {
  std::vector<std::pair<uint64_t, double>> line;
  for (uint64_t step = 1; step <= steps; ++step) {
    line.emplace_back(step, from + (to - from) * static_cast<double>(step) / static_cast<double>(steps));
  }
  return line;
}

TEST(DrawingTest, TwoCurvesAndAMark) {
  const std::string svg = Draw({.quantity = "training loss",
                                .with = Line(2, 1.5),
                                .without = Line(2, 0.5),
                                .without_name = "mended",
                                .noticed_at = 150,
                                .noticed = "dead_relu/<hidden>"});
  EXPECT_THAT(svg,
              AllOf(HasSubstr("training loss"), HasSubstr("mended"), HasSubstr("dead_relu/&lt;hidden&gt;"),
                    HasSubstr("step 0"), HasSubstr(">300<"), Not(HasSubstr("logarithmic")), Not(HasSubstr("nan"))));
  // Half of 300 steps is half of the 532 pixels between the edges at 56 and 588.
  EXPECT_THAT(svg, HasSubstr("M322.0 34.0V204.0"));
  EXPECT_LT(svg.size(), 8u << 10);
  EXPECT_LT(
      Draw({.quantity = "x", .with = Line(1, 2, 100000), .without = Line(5, 3, 100000), .without_name = "y"}).size(),
      8u << 10);
}

TEST(DrawingTest, WhatIsNotFiniteEndsInACross) {
  std::vector<std::pair<uint64_t, double>> broken = Line(1, 1e6, 100);
  broken[98].second = std::numeric_limits<double>::infinity();
  broken[99].second = std::numeric_limits<double>::quiet_NaN();
  const std::string svg =
      Draw({.quantity = "x", .with = broken, .without = Line(1, 0.1, 300), .without_name = "mended"});
  EXPECT_THAT(
      svg, AllOf(HasSubstr("logarithmic"), HasSubstr("l8 8m0 -8l-8 8"), Not(HasSubstr("nan")), Not(HasSubstr("inf"))));
  EXPECT_THAT(Draw({.quantity = "x", .with = {}, .without = {}, .without_name = "y"}), HasSubstr("</svg>"));
  EXPECT_THAT(Draw({.quantity = "x", .with = {{5, 1}}, .without = {{5, 1}}, .without_name = "y"}),
              Not(HasSubstr("nan")));
}

}  // namespace
}  // namespace traind::insight
