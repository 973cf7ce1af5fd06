#include "core/optimizers/update.h"

#include <omp.h>

#include <cmath>
#include <limits>
#include <memory>
#include <random>
#include <vector>

#include "core/optimizers/resolve.h"
#include "gtest/gtest.h"

namespace traind::core {
namespace {

// Tensors of several sizes with all the options a pass has to tell apart, and their arrays.
class UpdatePassTest : public ::testing::Test {
 protected:
  struct Arrays {
    std::vector<float> weights, gradients, momentum;
    std::vector<Bfloat16> copy;
  };

  UpdatePassTest() {
    v1::Optimizer config;
    config.mutable_sgd()->set_momentum(0.9);
    FieldErrors::Root errors;
    optimizer_ = std::move(ResolveOptimizer(config, errors.scope()).optimizer);
    Add(5000, {.l1 = 0.01, .l2 = 0.02}, true);
    Add(7, {}, false);
    Add(2048, {.l2 = 0.5}, false);
    Add(70000, {}, true);
  }

  void Add(int64_t n, PenaltyStrength penalty, bool decayed) {
    std::mt19937 random(static_cast<uint32_t>(n));
    std::normal_distribution<float> normal;
    Arrays arrays;
    for (int64_t i = 0; i < n; ++i) {
      arrays.weights.push_back(normal(random));
      arrays.gradients.push_back(normal(random));
    }
    arrays.weights[n / 2] = 0;  // Where |w| has no slope.
    arrays.momentum.assign(n, 0.5f);
    arrays.copy.resize(n);
    arrays_.push_back(arrays);
    penalties_.push_back(penalty);
    decayed_.push_back(decayed);
  }

  UpdatePass Make() {
    std::vector<ParameterTensor> tensors;
    for (size_t t = 0; t < arrays_.size(); ++t) {
      Arrays& a = arrays_[t];
      const auto n = static_cast<int64_t>(a.weights.size());
      tensors.push_back({.weights = a.weights.data(),
                         .gradients = a.gradients.data(),
                         .slots = {a.momentum.data(), nullptr},
                         .bf16_copy = t == 1 ? nullptr : a.copy.data(),
                         .stored = n,
                         .elements = n,
                         .penalty = penalties_[t],
                         .decayed = decayed_[t]});
    }
    return UpdatePass(*optimizer_, std::move(tensors));
  }

  double PenaltyGradient(size_t t, double w) const {
    const double sign = w > 0 ? 1 : w < 0 ? -1 : 0;
    return penalties_[t].l1 * sign + 2 * penalties_[t].l2 * w;
  }

  static constexpr Optimizer::Step kStep = {.learning_rate = 0.1, .weight_decay = 0.3, .number = 1};
  std::unique_ptr<Optimizer> optimizer_;
  std::vector<Arrays> arrays_;
  std::vector<PenaltyStrength> penalties_;
  std::vector<bool> decayed_;
};

TEST_F(UpdatePassTest, MeasuresNormAndPenalty) {
  double squares = 0, penalty = 0;
  for (size_t t = 0; t < arrays_.size(); ++t) {
    for (size_t i = 0; i < arrays_[t].weights.size(); ++i) {
      const double w = arrays_[t].weights[i];
      const double g = arrays_[t].gradients[i] + PenaltyGradient(t, w);
      squares += g * g;
      penalty += penalties_[t].l1 * std::abs(w) + penalties_[t].l2 * w * w;
    }
  }
  UpdatePass pass = Make();
  const auto measures = pass.Measure();
  EXPECT_NEAR(measures.gradient_norm, std::sqrt(squares), 1e-6 * std::sqrt(squares));
  EXPECT_NEAR(measures.penalty, penalty, 1e-9 * penalty);
}

// This holds for any gradient, penalty and momentum, and nothing of it is in the norm or in the statistics.
TEST_F(UpdatePassTest, WhatIsPrunedStaysZero) {
  std::vector<float> mask(70000, 1.0f);
  for (size_t t = 0; t < arrays_.size(); ++t) {
    for (size_t i = 0; i < arrays_[t].weights.size(); i += 3) {
      mask[i] = 0;
      arrays_[t].weights[i] = 0;
      arrays_[t].gradients[i] = std::numeric_limits<float>::infinity();
    }
  }
  std::vector<ParameterTensor> tensors = Make().tensors();
  for (ParameterTensor& tensor : tensors) tensor.mask = mask.data();
  UpdatePass pass(*optimizer_, tensors);
  EXPECT_TRUE(std::isfinite(pass.Measure().gradient_norm));
  std::vector<ParameterNumbers> numbers(tensors.size());
  const std::vector<Arrays> before = arrays_;
  for (int i = 0; i < 3; ++i) pass.Run(kStep, {.scale = 0.5}, &numbers);
  for (size_t t = 0; t < arrays_.size(); ++t) {
    EXPECT_EQ(numbers[t].inf_count, 0);
    for (size_t i = 0; i < arrays_[t].weights.size(); ++i) {
      if (i % 3 == 0) {
        EXPECT_EQ(arrays_[t].weights[i], 0);
        EXPECT_TRUE(t == 1 || ToFloat(arrays_[t].copy[i]) == 0);
      } else {
        EXPECT_NE(arrays_[t].weights[i], before[t].weights[i]);
      }
    }
  }
}

TEST_F(UpdatePassTest, UpdatesAsTheFormulasSay) {
  for (bool observe : {false, true}) {
    for (double scale : {1.0, 0.25}) {
      const std::vector<Arrays> before = arrays_;
      UpdatePass pass = Make();
      std::vector<ParameterNumbers> numbers(arrays_.size());
      pass.Run(kStep, {.scale = scale}, observe ? &numbers : nullptr);
      for (size_t t = 0; t < arrays_.size(); ++t) {
        const Arrays& now = arrays_[t];
        for (size_t i = 0; i < now.weights.size(); ++i) {
          const double w = before[t].weights[i];
          const double g = scale * (before[t].gradients[i] + PenaltyGradient(t, w));
          const double v = 0.9 * before[t].momentum[i] + g;
          const double expected = (decayed_[t] ? 1 - 0.1 * 0.3 : 1) * w - 0.1 * v;
          ASSERT_NEAR(now.momentum[i], v, 1e-6) << t << ", " << i;
          ASSERT_NEAR(now.weights[i], expected, 1e-6) << t << ", " << i;
          ASSERT_EQ(now.gradients[i], before[t].gradients[i]) << "gradients are only read";
          if (t != 1) {
            ASSERT_EQ(now.copy[i].bits, FromFloat<Bfloat16>(now.weights[i]).bits) << t << ", " << i;
          }
        }
      }
    }
  }
}

// Penalties are clipped with the gradient, a coupled decay is not; what is observed is not clipped.
TEST_F(UpdatePassTest, ClipsEachNumber) {
  const std::vector<Arrays> before = arrays_;
  std::vector<ParameterTensor> tensors = Make().tensors();
  for (ParameterTensor& tensor : tensors) tensor.coupled_decay = 0.5;
  UpdatePass pass(*optimizer_, tensors);
  std::vector<ParameterNumbers> numbers(tensors.size());
  pass.Run(kStep, {.value = 0.75}, &numbers);
  int clipped = 0;
  for (size_t t = 0; t < arrays_.size(); ++t) {
    double squares = 0;
    for (size_t i = 0; i < arrays_[t].weights.size(); ++i) {
      const double w = before[t].weights[i], g = before[t].gradients[i] + PenaltyGradient(t, w);
      squares += g * g;
      clipped += std::abs(g) > 0.75 ? 1 : 0;
      const double v = 0.9 * before[t].momentum[i] + std::fmin(0.75, std::fmax(-0.75, g)) + 0.5 * w;
      ASSERT_NEAR(arrays_[t].momentum[i], v, 1e-6) << t << ", " << i;
    }
    EXPECT_NEAR(numbers[t].gradient_squares, squares, 1e-5 * squares);
  }
  EXPECT_GT(clipped, 1000);
}

TEST_F(UpdatePassTest, ClippingHidesNoNaN) {
  arrays_[0].gradients[3] = std::nanf("");
  UpdatePass pass = Make();
  pass.Run(kStep, {.value = 0.75}, nullptr);
  EXPECT_TRUE(std::isnan(arrays_[0].weights[3]));
}

TEST_F(UpdatePassTest, ObservesTheGradientBeforeClipping) {
  const std::vector<Arrays> before = arrays_;
  UpdatePass pass = Make();
  std::vector<ParameterNumbers> numbers(arrays_.size());
  pass.Run(kStep, {.scale = 0.125}, &numbers);
  for (size_t t = 0; t < arrays_.size(); ++t) {
    const auto n = static_cast<double>(before[t].weights.size());
    double w_sum = 0, w_squares = 0, g_sum = 0, g_squares = 0, change = 0;
    for (size_t i = 0; i < before[t].weights.size(); ++i) {
      const double w = before[t].weights[i], g = before[t].gradients[i] + PenaltyGradient(t, w);
      w_sum += w;
      w_squares += w * w;
      g_sum += g;
      g_squares += g * g;
      change += std::pow(static_cast<double>(arrays_[t].weights[i]) - w, 2);
    }
    v1::ParameterStatistics statistics;
    ToStatistics(numbers[t], static_cast<int64_t>(n), &statistics);
    EXPECT_NEAR(statistics.weight_norm(), std::sqrt(w_squares), 1e-5 * std::sqrt(w_squares));
    EXPECT_NEAR(statistics.weight_mean(), w_sum / n, 1e-6);
    EXPECT_NEAR(statistics.weight_std(), std::sqrt(w_squares / n - std::pow(w_sum / n, 2)), 1e-6);
    EXPECT_NEAR(statistics.gradient_norm(), std::sqrt(g_squares), 1e-5 * std::sqrt(g_squares));
    EXPECT_NEAR(statistics.gradient_mean(), g_sum / n, 1e-6);
    EXPECT_NEAR(statistics.gradient_std(), std::sqrt(g_squares / n - std::pow(g_sum / n, 2)), 1e-6);
    EXPECT_NEAR(statistics.update_ratio(), std::sqrt(change / w_squares), 1e-6);
    EXPECT_EQ(statistics.nan_count() + statistics.inf_count(), 0);
  }
}

TEST_F(UpdatePassTest, CountsNonFiniteNumbersAndLeavesThemOut) {
  arrays_[3].weights[10] = std::nanf("");
  arrays_[3].gradients[20] = -std::numeric_limits<float>::infinity();
  arrays_[3].gradients[30] = std::nanf("");
  UpdatePass pass = Make();
  std::vector<ParameterNumbers> numbers(arrays_.size());
  pass.Run(kStep, {}, &numbers);
  EXPECT_EQ(numbers[3].nan_count, 2);
  EXPECT_EQ(numbers[3].inf_count, 1);
  EXPECT_EQ(numbers[0].nan_count + numbers[0].inf_count, 0);
  for (double sum : {numbers[3].weight_squares, numbers[3].gradient_squares, numbers[3].update_squares}) {
    EXPECT_TRUE(std::isfinite(sum));
    EXPECT_GT(sum, 0);
  }
}

TEST_F(UpdatePassTest, DoesNotDependOnTheNumberOfThreads) {
  const int threads = omp_get_max_threads();
  const std::vector<Arrays> before = arrays_;
  std::vector<float> first;
  std::vector<double> norms, sums;
  for (int n : {1, 2, 3}) {
    omp_set_num_threads(n);
    arrays_ = before;
    UpdatePass pass = Make();
    norms.push_back(pass.Measure().gradient_norm);
    std::vector<ParameterNumbers> numbers(arrays_.size());
    pass.Run(kStep, {.scale = 0.5}, &numbers);
    sums.push_back(numbers[3].update_squares);
    if (n == 1) first = arrays_[3].weights;
    EXPECT_EQ(arrays_[3].weights, first);
  }
  omp_set_num_threads(threads);
  EXPECT_EQ(norms, std::vector<double>(3, norms[0]));
  EXPECT_EQ(sums, std::vector<double>(3, sums[0]));
}

TEST(ClipScaleTest, BringsTheNormDownToTheLimit) {
  EXPECT_EQ(ClipScale(10, 0), 1);
  EXPECT_EQ(ClipScale(10, 20), 1);
  EXPECT_EQ(ClipScale(10, 10), 1);
  EXPECT_EQ(ClipScale(10, 5), 0.5);
  EXPECT_EQ(ClipScale(std::nan(""), 5), 1);
}

}  // namespace
}  // namespace traind::core
