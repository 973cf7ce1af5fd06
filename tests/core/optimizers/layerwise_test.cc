// LARS and LAMB over whole tensors, which come to them in pieces: against loops in double.
#include <omp.h>

#include <cmath>
#include <string>
#include <vector>

#include "core/optimizers/resolve.h"
#include "core/optimizers/update.h"
#include "gtest/gtest.h"
#include "tests/support/text_proto.h"

namespace traind::core {
namespace {

struct Arrays {
  std::vector<float> weights, gradients, first, second;
};

// Weights of several pieces, a bias, and weights that are all zero.
std::vector<Arrays> MakeArrays() {
  std::vector<Arrays> arrays;
  for (const int64_t n : {40000, 10, 3000}) {
    Arrays a;
    for (int64_t i = 0; i < n; ++i) {
      const auto x = static_cast<double>(i);
      a.weights.push_back(n == 3000 ? 0.0f : static_cast<float>(std::cos(x)));
      a.gradients.push_back(static_cast<float>(0.1 * std::sin(3 * x)));
    }
    a.first.assign(n, 0.0f);
    a.second.assign(n, 0.0f);
    arrays.push_back(a);
  }
  return arrays;
}

void Train(const std::string& text, std::vector<Arrays>& arrays, int steps) {
  auto config = FromText<v1::Optimizer>(text);
  FieldErrors::Root errors;
  const ResolvedOptimizer resolved = ResolveOptimizer(config, errors.scope());
  ASSERT_TRUE(errors.ok()) << errors.ToStatus();
  std::vector<ParameterTensor> tensors;
  for (Arrays& a : arrays) {
    const auto n = static_cast<int64_t>(a.weights.size());
    const bool weights = n != 10;
    tensors.push_back({.weights = a.weights.data(),
                       .gradients = a.gradients.data(),
                       .slots = {a.first.data(), a.second.data()},
                       .stored = n,
                       .elements = n,
                       .penalty = {},
                       .decayed = weights,
                       .coupled_decay = weights ? resolved.coupled_weight_decay : 0});
  }
  UpdatePass pass(*resolved.optimizer, tensors);
  for (int t = 1; t <= steps; ++t) {
    pass.Run({.learning_rate = resolved.learning_rate->At(0, 1),
              .weight_decay = resolved.weight_decay,
              .number = static_cast<uint64_t>(t)},
             UpdatePass::Clip{.scale = 0.5}, nullptr);
  }
}

double Norm(const std::vector<double>& x) {
  double squares = 0;
  for (const double v : x) squares += v * v;
  return std::sqrt(squares);
}

constexpr int kSteps = 3;

TEST(LayerwiseTest, LarsAdaptsWeightsByTheirNorms) {
  std::vector<Arrays> arrays = MakeArrays();
  const std::vector<Arrays> before = arrays;
  Train("lars { momentum: 0.5 trust_coefficient: 0.01 } learning_rate: 2 coupled_weight_decay: 0.1", arrays, kSteps);
  for (size_t k = 0; k < arrays.size(); ++k) {
    std::vector<double> w(before[k].weights.begin(), before[k].weights.end()), v(w.size()), g;
    for (const float x : before[k].gradients) g.push_back(0.5 * double{x});
    const bool bias = k == 1;
    for (int t = 0; t < kSteps; ++t) {
      const double decay = bias ? 0 : 0.1, w_norm = Norm(w), g_norm = Norm(g);
      const double ratio = bias || w_norm == 0 ? 1 : 0.01 * w_norm / (g_norm + decay * w_norm + 1e-8);
      for (size_t i = 0; i < w.size(); ++i) {
        v[i] = 0.5 * v[i] + 2 * ratio * (g[i] + decay * w[i]);
        w[i] -= v[i];
      }
    }
    for (size_t i = 0; i < w.size(); ++i) ASSERT_NEAR(arrays[k].weights[i], w[i], 3e-6) << k << ", " << i;
  }
}

TEST(LayerwiseTest, LambAdaptsWeightsByTheirNorms) {
  std::vector<Arrays> arrays = MakeArrays();
  const std::vector<Arrays> before = arrays;
  Train("lamb { beta1: 0.8 beta2: 0.95 epsilon: 0.001 } learning_rate: 0.1 weight_decay: 0.2", arrays, kSteps);
  for (size_t k = 0; k < arrays.size(); ++k) {
    std::vector<double> w(before[k].weights.begin(), before[k].weights.end()), m(w.size()), s(w.size()), d(w.size());
    const bool bias = k == 1;
    for (int t = 1; t <= kSteps; ++t) {
      for (size_t i = 0; i < w.size(); ++i) {
        const double g = 0.5 * double{before[k].gradients[i]};
        m[i] = 0.8 * m[i] + 0.2 * g;
        s[i] = 0.95 * s[i] + 0.05 * g * g;
        const double adam = m[i] / (1 - std::pow(0.8, t)) / (std::sqrt(s[i] / (1 - std::pow(0.95, t))) + 0.001);
        d[i] = adam + (bias ? 0 : 0.2 * w[i]);
      }
      const double ratio = bias || Norm(w) == 0 ? 1 : Norm(w) / Norm(d);
      for (size_t i = 0; i < w.size(); ++i) w[i] -= 0.1 * ratio * d[i];
    }
    for (size_t i = 0; i < w.size(); ++i) ASSERT_NEAR(arrays[k].weights[i], w[i], 3e-6) << k << ", " << i;
  }
}

// A coupled decay is part of lamb's gradient, as of every kind's but lars.
TEST(LayerwiseTest, LambTakesACoupledDecay) {
  std::vector<Arrays> arrays = MakeArrays();
  const std::vector<Arrays> before = arrays;
  Train("lamb { epsilon: 0.001 } learning_rate: 0.1 coupled_weight_decay: 0.5", arrays, 1);
  for (size_t k = 0; k < arrays.size(); ++k) {
    std::vector<double> w(before[k].weights.begin(), before[k].weights.end()), d(w.size());
    const bool bias = k == 1;
    for (size_t i = 0; i < w.size(); ++i) {
      const double g = 0.5 * double{before[k].gradients[i]} + (bias ? 0 : 0.5 * w[i]);
      d[i] = g / (std::abs(g) + 0.001);
    }
    const double ratio = bias || Norm(w) == 0 ? 1 : Norm(w) / Norm(d);
    for (size_t i = 0; i < w.size(); ++i) {
      ASSERT_NEAR(arrays[k].weights[i], w[i] - 0.1 * ratio * d[i], 2e-5) << k << ", " << i;
    }
  }
}

TEST(LayerwiseTest, DoesNotDependOnTheNumberOfThreads) {
  const int threads = omp_get_max_threads();
  for (const std::string text : {"lars {} coupled_weight_decay: 0.1", "lamb {}"}) {
    std::vector<std::vector<float>> results;
    for (const int n : {1, 2, 3}) {
      omp_set_num_threads(n);
      std::vector<Arrays> arrays = MakeArrays();
      Train(text, arrays, kSteps);
      results.push_back(arrays[0].weights);
    }
    EXPECT_EQ(results[1], results[0]);
    EXPECT_EQ(results[2], results[0]);
  }
  omp_set_num_threads(threads);
}

}  // namespace
}  // namespace traind::core
