// What stands beside the optimizer, over the pass: against loops in double over the weights that plain SGD takes.
#include "core/optimizers/beside.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "core/optimizers/resolve.h"
#include "core/optimizers/update.h"
#include "gtest/gtest.h"
#include "tests/support/text_proto.h"

namespace traind::core {
namespace {

constexpr int64_t kSize = 5000;

ResolvedOptimizer Resolve(const std::string& text) {
  auto config = FromText<v1::Optimizer>("sgd {} learning_rate: 0.1 " + text);
  FieldErrors::Root errors;
  ResolvedOptimizer resolved = ResolveOptimizer(config, errors.scope());
  EXPECT_TRUE(errors.ok()) << errors.ToStatus();
  return resolved;
}

// Runs the pass for updates of one tensor whose gradient in update t is sin(i + t).
class Pass {
 public:
  explicit Pass(const std::string& text)
      : resolved_(Resolve(text)), weights_(kSize), gradients_(kSize), average_(kSize), slow_(kSize) {
    for (int64_t i = 0; i < kSize; ++i) weights_[i] = static_cast<float>(std::cos(static_cast<double>(i)));
  }

  void Update(uint64_t step, uint64_t number) {
    for (int64_t i = 0; i < kSize; ++i) gradients_[i] = Gradient(i, step);
    ParameterTensor tensor;
    tensor.weights = weights_.data();
    tensor.gradients = gradients_.data();
    tensor.stored = tensor.elements = kSize;
    tensor.average = resolved_.beside.averages() ? average_.data() : nullptr;
    tensor.slow = resolved_.beside.looks_ahead() ? slow_.data() : nullptr;
    UpdatePass(*resolved_.optimizer, {tensor})
        .Run({.learning_rate = 0.1, .weight_decay = 0, .number = number}, UpdatePass::Clip{}, nullptr,
             resolved_.beside.Of(step, number));
  }

  static float Gradient(int64_t i, uint64_t step) {
    return static_cast<float>(std::sin(static_cast<double>(i) + static_cast<double>(step)));
  }
  const Beside& beside() const { return resolved_.beside; }
  const std::vector<float>& weights() const { return weights_; }
  const std::vector<float>& average() const { return average_; }

 private:
  const ResolvedOptimizer resolved_;
  std::vector<float> weights_, gradients_, average_, slow_;
};

// The weights of plain SGD after each step; [0] are the first ones.
std::vector<std::vector<double>> Plain(int steps) {
  std::vector<std::vector<double>> weights(1, std::vector<double>(kSize));
  for (int64_t i = 0; i < kSize; ++i) weights[0][i] = std::cos(static_cast<double>(i));
  for (int t = 1; t <= steps; ++t) {
    weights.push_back(weights.back());
    for (int64_t i = 0; i < kSize; ++i) weights[t][i] -= 0.1 * double{Pass::Gradient(i, t)};
  }
  return weights;
}

void ExpectClose(const std::vector<float>& actual, const std::vector<double>& expected) {
  for (int64_t i = 0; i < kSize; ++i) ASSERT_NEAR(actual[i], expected[i], 2e-6) << i;
}

TEST(BesideTest, EmaFollowsTheWeights) {
  const auto plain = Plain(12);
  for (const bool ramp : {false, true}) {
    Pass pass(ramp ? "ema { decay: 0.9 ramp: true }" : "ema { decay: 0.9 }");
    EXPECT_FALSE(pass.beside().HasAverage(0, 0));
    std::vector<double> average = plain[1];
    for (int t = 1; t <= 12; ++t) {
      pass.Update(t, t);
      EXPECT_TRUE(pass.beside().HasAverage(t, t));
      const double decay = ramp ? std::min(0.9, (1.0 + t) / (10.0 + t)) : 0.9;
      for (int64_t i = 0; t > 1 && i < kSize; ++i) average[i] = decay * average[i] + (1 - decay) * plain[t][i];
      ExpectClose(pass.average(), average);
    }
    ExpectClose(pass.weights(), plain[12]);  // They do not know of it.
  }
}

TEST(BesideTest, SwaIsTheMeanAtEqualDistances) {
  const auto plain = Plain(20);
  Pass pass("swa { begin_steps: 7 every_steps: 4 }");
  std::vector<double> sum(kSize);
  int count = 0;
  for (int t = 1; t <= 20; ++t) {
    pass.Update(t, t);
    if (t >= 7 && (t - 7) % 4 == 0) {
      ++count;
      for (int64_t i = 0; i < kSize; ++i) sum[i] += plain[t][i];
    }
    EXPECT_EQ(pass.beside().HasAverage(t, t), count > 0) << t;
    std::vector<double> mean = sum;
    for (double& value : mean) value /= std::max(1, count);
    ExpectClose(pass.average(), mean);
  }
  EXPECT_EQ(count, 4);
}

// The state of a fork with another optimizer begins after step 9: what was averaged before is not in it.
TEST(BesideTest, SwaBeginsAnewWithItsState) {
  Pass pass("swa { begin_steps: 2 every_steps: 3 }");
  EXPECT_FALSE(pass.beside().HasAverage(9, 0));
  pass.Update(10, 1);
  EXPECT_FALSE(pass.beside().HasAverage(10, 1));
  pass.Update(11, 2);
  EXPECT_TRUE(pass.beside().HasAverage(11, 2));
  EXPECT_EQ(pass.average(), pass.weights());
  const std::vector<float> first = pass.weights();
  for (int t = 12; t <= 14; ++t) pass.Update(t, t - 9);
  for (int64_t i = 0; i < kSize; ++i) {
    ASSERT_NEAR(pass.average()[i], (double{first[i]} + double{pass.weights()[i]}) / 2, 2e-6) << i;
  }
}

TEST(BesideTest, LookaheadGoesAPartOfTheWay) {
  Pass pass("lookahead { every_steps: 3 alpha: 0.4 }");
  std::vector<double> w = Plain(0)[0], slow = w;
  for (int t = 1; t <= 10; ++t) {
    pass.Update(t, t);
    for (int64_t i = 0; i < kSize; ++i) {
      w[i] -= 0.1 * double{Pass::Gradient(i, t)};
      if (t % 3 != 0) continue;
      slow[i] += 0.4 * (w[i] - slow[i]);
      w[i] = slow[i];
    }
    ExpectClose(pass.weights(), w);
  }
}

}  // namespace
}  // namespace traind::core
