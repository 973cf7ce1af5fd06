// The schedules at their limits and in the lengths that are published; whole runs against PyTorch's are in
// tests/golden.
#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/optimizers/resolve.h"
#include "gtest/gtest.h"
#include "tests/support/text_proto.h"

namespace traind::core {
namespace {

std::unique_ptr<LearningRate> Rate(const std::string& schedule, const std::string& optimizer = "sgd {}") {
  auto config = FromText<v1::Optimizer>(optimizer + " learning_rate: 2 schedule { " + schedule + " }");
  FieldErrors::Root errors;
  ResolvedOptimizer resolved = ResolveOptimizer(config, errors.scope());
  EXPECT_TRUE(errors.ok()) << errors.ToStatus();
  return std::move(resolved.learning_rate);
}

TEST(SchedulesTest, MultistepDropsAtItsMilestones) {
  // ResNet's on CIFAR-10 (He et al. 2015), with its warm-up, which the milestones count.
  const auto rate = Rate("multistep { milestone_steps: [ 32000, 48000 ] } warmup_steps: 400");
  EXPECT_EQ(rate->At(399, 64000), 2);
  EXPECT_EQ(rate->At(31999, 64000), 2);
  EXPECT_DOUBLE_EQ(rate->At(32000, 64000), 0.2);
  EXPECT_DOUBLE_EQ(rate->At(47999, 64000), 0.2);
  EXPECT_DOUBLE_EQ(rate->At(48000, 64000), 0.02);
  EXPECT_DOUBLE_EQ(rate->At(1000000, 64000), 0.02);
}

TEST(SchedulesTest, PolynomialEndsAtItsFinalFactor) {
  const auto rate = Rate("polynomial { power: 0.9 final_factor: 0.25 }");
  EXPECT_EQ(rate->At(0, 100), 2);
  EXPECT_NEAR(rate->At(50, 100), 2 * (0.25 + 0.75 * std::exp(0.9 * std::log(0.5))), 1e-12);
  EXPECT_EQ(rate->At(100, 100), 0.5);
  EXPECT_EQ(rate->At(500, 100), 0.5);
  EXPECT_EQ(Rate("polynomial {}")->At(25, 100), 1.5);  // A line.
}

TEST(SchedulesTest, ExponentialFallsAndRises) {
  EXPECT_NEAR(Rate("exponential { factor: 0.5 every_steps: 10 }")->At(10, 100), 1, 1e-12);
  EXPECT_NEAR(Rate("exponential { factor: 0.5 every_steps: 10 }")->At(5, 100), std::sqrt(2), 1e-12);
  EXPECT_NEAR(Rate("exponential { factor: 100 every_steps: 50 }")->At(25, 51), 20, 1e-12);
}

TEST(SchedulesTest, InverseSquareRootHasTheLengthOfTheWarmup) {
  const auto rate = Rate("inverse_square_root {} warmup_steps: 100");
  EXPECT_EQ(rate->At(99, 1000), 2);
  EXPECT_EQ(rate->At(100, 1000), 2);
  EXPECT_EQ(rate->At(400, 1000), 1);
  EXPECT_EQ(Rate("inverse_square_root { timescale_steps: 3 }")->At(9, 100), 1);
}

TEST(SchedulesTest, InverseTimeFallsForGood) {
  EXPECT_NEAR(Rate("inverse_time { gamma: 0.5 }")->At(6, 100), 0.5, 1e-12);
  EXPECT_NEAR(Rate("inverse_time { gamma: 3 power: 0.5 every_steps: 10 }")->At(10, 100), 1, 1e-12);
}

TEST(SchedulesTest, CosineRestartsBeginAgain) {
  const auto rate = Rate("cosine_restarts { first_steps: 10 multiplier: 2 final_factor: 0.5 }");
  for (const uint64_t begin : {0, 10, 30, 70}) EXPECT_EQ(rate->At(begin, 5), 2) << begin;
  EXPECT_NEAR(rate->At(5, 5), 1.5, 1e-12);
  EXPECT_NEAR(rate->At(20, 5), 1.5, 1e-12);
  EXPECT_NEAR(rate->At(69, 5), 1, 0.01);
  EXPECT_GT(rate->At(uint64_t{1} << 40, 5), 0);  // Bounded also far behind the end.
  EXPECT_EQ(Rate("cosine_restarts { first_steps: 7 }")->At(7000000007, 5), 2);
}

TEST(SchedulesTest, OneCycleIsBoundedInEveryLength) {
  for (const uint64_t total : {0, 1, 2, 3, 10, 1000}) {
    const auto rate = Rate("one_cycle { min_momentum: 0.8 max_momentum: 0.9 }", "adam {}");
    for (uint64_t t = 0; t < total + 3; ++t) {
      EXPECT_GE(rate->At(t, total), 0) << t << " of " << total;
      EXPECT_LE(rate->At(t, total), 2) << t << " of " << total;
      EXPECT_GE(*rate->MomentumAt(t, total), 0.8 - 1e-12) << t << " of " << total;
      EXPECT_LE(*rate->MomentumAt(t, total), 0.9 + 1e-12) << t << " of " << total;
    }
  }
  EXPECT_NEAR(Rate("one_cycle {}")->At(999, 1000), 2 * 4e-6, 1e-12);
  EXPECT_EQ(Rate("one_cycle {}")->MomentumAt(3, 10), std::nullopt);
}

// The state of PyTorch's ReduceLROnPlateau after the same losses, for which it was asked.
TEST(SchedulesTest, PlateauCountsAsPyTorchDoes) {
  const auto rate = Rate("plateau { factor: 0.5 patience: 1 threshold: 0.1 cooldown: 1 min_factor: 0.3 }");
  v1::PlateauState state;
  state.set_best(std::numeric_limits<double>::quiet_NaN());
  state.set_factor(1);
  const std::vector<std::pair<double, double>> losses = {{1, 1},      {0.95, 1},   {std::nan(""), 0.5},
                                                         {0.95, 0.5}, {0.95, 0.5}, {0.8, 0.5},
                                                         {0.79, 0.5}, {0.78, 0.3}, {9, 0.3},
                                                         {9, 0.3},    {9, 0.3}};
  for (size_t i = 0; i < losses.size(); ++i) {
    const double before = state.factor();
    EXPECT_EQ(rate->schedule().Note(losses[i].first, state), losses[i].second != before) << i;
    EXPECT_EQ(state.factor(), losses[i].second) << i;
  }
  EXPECT_EQ(state.best(), 0.8);
}

TEST(SchedulesTest, PlateauTakesNoInfinityForTheBest) {
  const auto rate = Rate("plateau { factor: 0.5 patience: 0 }");
  v1::PlateauState state;
  state.set_best(std::numeric_limits<double>::quiet_NaN());
  state.set_factor(1);
  EXPECT_TRUE(rate->schedule().Note(std::numeric_limits<double>::infinity(), state));
  for (const double loss : {3.0, 2.0, 1.0}) {
    EXPECT_FALSE(rate->schedule().Note(loss, state));
    EXPECT_EQ(state.best(), loss);
  }
  EXPECT_EQ(state.factor(), 0.5);
}

TEST(SchedulesTest, NamesTheFieldThatIsWrong) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"multistep {}", "multistep.milestone_steps"},
      {"multistep { milestone_steps: [ 5, 5 ] }", "multistep.milestone_steps[1]"},
      {"multistep { milestone_steps: 0 }", "multistep.milestone_steps[0]"},
      {"multistep { milestone_steps: 5 factor: 0 }", "multistep.factor"},
      {"multistep { milestone_steps: 5 milestone_epochs: 1 }", "multistep.milestone_epochs"},
      {"multistep { milestone_epochs: [ 1, nan ] }", "multistep.milestone_epochs[1]"},
      {"step {}", "step.every_steps"},
      {"step { every_epochs: -1 }", "step.every_epochs"},
      {"step { every_epochs: 1 every_steps: 10 }", "step.every_epochs"},
      {"polynomial { power: 0 }", "polynomial.power"},
      {"polynomial { final_factor: 1.5 }", "polynomial.final_factor"},
      {"exponential {}", "exponential.every_steps"},
      {"exponential { factor: 0 every_steps: 1 }", "exponential.factor"},
      {"exponential { factor: inf every_steps: 1 }", "exponential.factor"},
      {"inverse_square_root {}", "inverse_square_root.timescale_steps"},
      {"inverse_time {}", "inverse_time.gamma"},
      {"inverse_time { gamma: 1 power: -1 }", "inverse_time.power"},
      {"one_cycle { rising_share: 1 }", "one_cycle.rising_share"},
      {"one_cycle { initial_factor: 0 }", "one_cycle.initial_factor"},
      {"one_cycle { final_factor: -1 }", "one_cycle.final_factor"},
      {"one_cycle { min_momentum: 0.5 }", "one_cycle.max_momentum"},
      {"one_cycle { min_momentum: 0.5 max_momentum: 1 }", "one_cycle.max_momentum"},
      {"one_cycle { min_momentum: 0.5 max_momentum: 0.4 }", "one_cycle.min_momentum"},
      {"cosine_restarts {}", "cosine_restarts.first_steps"},
      {"cosine_restarts { first_steps: 5 multiplier: 0 }", "cosine_restarts.multiplier"},
      {"cosine_restarts { first_steps: 5 final_factor: 2 }", "cosine_restarts.final_factor"},
      {"plateau { factor: 1 }", "plateau.factor"},
      {"plateau { threshold: 1 }", "plateau.threshold"},
      {"plateau { min_factor: -1 }", "plateau.min_factor"},
      {"warmup_epochs: inf", "warmup_epochs"},
      {"warmup_epochs: 1 warmup_steps: 5", "warmup_epochs"},
  };
  for (const auto& [text, field] : cases) {
    auto config = FromText<v1::Optimizer>("sgd { momentum: 0.9 } schedule { " + text + " }");
    FieldErrors::Root errors;
    ResolveOptimizer(config, errors.scope());
    ASSERT_EQ(errors.violations().field_violations_size(), 1) << text;
    EXPECT_EQ(errors.violations().field_violations(0).field(), "schedule." + field) << text;
  }
}

TEST(SchedulesTest, AMomentumIsMovedOnlyWhereThereIsOne) {
  for (const std::string optimizer : {"sgd {}", "rmsprop { momentum: 0.9 }", "lamb {}"}) {
    auto config =
        FromText<v1::Optimizer>(optimizer + " schedule { one_cycle { min_momentum: 0.8 max_momentum: 0.9 } }");
    FieldErrors::Root errors;
    ResolveOptimizer(config, errors.scope());
    ASSERT_EQ(errors.violations().field_violations_size(), 1) << optimizer;
    EXPECT_EQ(errors.violations().field_violations(0).field(), "schedule.one_cycle.min_momentum");
  }
}

}  // namespace
}  // namespace traind::core
