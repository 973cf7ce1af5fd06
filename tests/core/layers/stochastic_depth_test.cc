// Stochastic depth held to its definition: the rate, the expectation, the exact mask for a given (seed, layer, step,
// example), in every layout, backward too, and the test side.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/base/random.h"
#include "core/kinds/loss.h"
#include "tests/core/plan/allocations.h"
#include "tests/support/layer_run.h"

namespace traind::core {
namespace {

// Of the checkpoint contract.
constexpr Purpose kStochasticDepth = Purpose::Numbered(9);

constexpr uint64_t kSeed = 77;

// A network on examples of ones.
class Running : public LayerRun {
 public:
  Running(const std::string& network, int64_t batch, bool training)
      : Running(network, {.batch = batch, .training = training, .seed = kSeed}) {}
  Running(const std::string& network, const PlanOptions& options) : LayerRun(network, options) {
    std::fill(examples().begin(), examples().end(), 1.0f);
  }
  // The output of each example; all of one are equal, as the inputs are.
  std::vector<float> Outputs(uint64_t step) {
    const std::vector<float> all = Output(step);
    const size_t each = all.size() / batch();
    std::vector<float> outputs;
    for (size_t i = 0; i < all.size(); i += each) {
      for (size_t k = 1; k < each; ++k) EXPECT_EQ(all[i + k], all[i]) << "example " << i / each;
      outputs.push_back(all[i]);
    }
    return outputs;
  }
};

// A training step with a mean squared error.
PlanOptions Training(v1::Precision precision) {
  static const std::unique_ptr<Loss> loss = [] {
    v1::Loss config;
    config.mutable_mean_squared_error();
    FieldErrors::Root errors;
    return Registry<Loss>::Get().Create(config, errors.scope());
  }();
  return {.batch = 8, .training = true, .precision = precision, .seed = kSeed, .loss = loss.get()};
}

std::string Net(const std::string& options) {
  return "input_shape: 5 layers { name: 'depth' stochastic_depth { " + options + " } }";
}

// The definition, word for word.
bool Passes(uint64_t step, uint32_t example, double survival) {
  const RandomStream random(kSeed, kStochasticDepth, StreamOf("depth"));
  return ToUnit(random.Block(step, example, 0)[0]) < survival;
}

TEST(StochasticDepth, PassesExactlyTheExamplesOfItsStream) {
  Running per_example(Net("survival: 0.7 per_example: true"), 33, true), per_step(Net("survival: 0.7"), 33, true);
  for (uint64_t step : {uint64_t{0}, uint64_t{1}, uint64_t{2}, uint64_t{12345}, uint64_t{1} << 33}) {
    const std::vector<float> by_example = per_example.Outputs(step), by_step = per_step.Outputs(step);
    for (uint32_t n = 0; n < 33; ++n) {
      EXPECT_EQ(by_example[n], Passes(step, n, 0.7) ? 1 : 0) << "step " << step << " example " << n;
      EXPECT_EQ(by_step[n], Passes(step, 0, 0.7) ? 1 : 0) << "step " << step << " example " << n;
    }
  }
}

TEST(StochasticDepth, PassesWithItsRateAndTestIsTheExpectation) {
  for (const double survival : {0.1, 0.5, 0.9}) {
    SCOPED_TRACE(survival);
    const std::string options = "survival: " + std::to_string(survival);
    Running training(Net(options + " per_example: true"), 100, true), steps(Net(options), 2, true);
    double passed = 0, passed_steps = 0;
    for (uint64_t step = 0; step < 200; ++step) {
      for (float output : training.Outputs(step)) passed += output;
    }
    for (uint64_t step = 0; step < 4000; ++step) passed_steps += steps.Outputs(step)[0];
    const double deviation = std::sqrt(survival * (1 - survival));
    EXPECT_NEAR(passed / 20'000, survival, 4 * deviation / std::sqrt(20'000));
    EXPECT_NEAR(passed_steps / 4000, survival, 4 * deviation / std::sqrt(4000));
    // What the test gives is the mean of what the training gave.
    Running test(Net(options), 3, false);
    for (float output : test.Outputs(5)) EXPECT_FLOAT_EQ(output, static_cast<float>(survival));
  }
}

TEST(StochasticDepth, OfOneIsNothing) {
  Running training(Net("survival: 1"), 3, true), test(Net("survival: 1"), 3, false);
  EXPECT_EQ(training.Outputs(1), std::vector<float>(3, 1.0f));
  EXPECT_EQ(test.Outputs(1), std::vector<float>(3, 1.0f));
}

// Behind a convolution the values are blocked, with padding; the gradient passes where the values did.
TEST(StochasticDepth, IsTheSameInEveryLayoutAndBackward) {
  for (const v1::Precision precision : Precisions()) {
    for (const int channels : {3, 16, 17}) {
      SCOPED_TRACE(channels);
      Running net("input_shape: [1, 4, 3] layers { name: 'conv' conv2d { out_channels: " + std::to_string(channels) +
                      " kernel: 1 weight_init { constant { value: 1 } } } } layers { name: 'depth' stochastic_depth { "
                      "survival: 0.5 per_example: true } }",
                  Training(precision));
      const std::vector<float> outputs = net.Outputs(9);
      double passed = 0;
      for (uint32_t n = 0; n < 8; ++n) {
        EXPECT_EQ(outputs[n], Passes(9, n, 0.5) ? 1 : 0);
        passed += outputs[n];
      }
      ASSERT_GT(passed, 0);
      // The mean of y^2 over 12 * channels values and 8 examples: each example that passes adds 2 * 12 / (8 * 12 * c).
      for (float gradient : net.Gradient("conv.weight")) {
        EXPECT_NEAR(gradient, 2 * passed / (8.0 * channels), precision == v1::PRECISION_F32 ? 1e-6 : 1e-2);
      }
    }
  }
}

TEST(StochasticDepth, AStepAllocatesNothing) {
  Running net(
      "input_shape: [1, 4, 3] layers { name: 'conv' conv2d { out_channels: 17 kernel: 1 weight_init { constant { "
      "value: 1 } } } } layers { name: 'scale' scalar_affine {} } layers { name: 'depth' stochastic_depth {} }",
      Training(v1::PRECISION_F32));
  ASSERT_TRUE(net.Run(0).ok());  // Warms up OpenMP's threads.
  StartCountingAllocations();
  const absl::Status status = net.Run(1);
  const int allocations = StopCountingAllocations();
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(allocations, 0);
}

}  // namespace
}  // namespace traind::core
