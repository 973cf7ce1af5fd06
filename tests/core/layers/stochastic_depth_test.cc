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
#include "core/plan/skipped_layers.h"
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

// --- What is left out is not computed.

// A training step of a network with residual blocks, some inside others.
std::string Residual(const std::string& block) {
  return "input_shape: [6, 8, 8] layers { name: 'first' conv2d { out_channels: 8 kernel: 3 padding { mode: MODE_SAME } "
         "} } "
         "layers { name: 'a' block { residual { survival: 0.5 " +
         block +
         " } } } "
         "layers { name: 'b' block { residual { survival: 0.5 " +
         block + " } } } layers { name: 'out' dense { units: 4 } }";
}

std::vector<std::string> Blocks() {
  return {"channels: 8", "channels: 8 order: ORDER_PRE_ACTIVATION dropout: 0.2",
          "channels: 2 body: BODY_BOTTLENECK shortcut: SHORTCUT_PROJECTION",
          "channels: 8 initialization: INITIALIZATION_FIXUP",
          "layers { name: 'in' block { residual { survival: 0.5 layers { name: 'c' conv2d { out_channels: 8 kernel: 3 "
          "padding { mode: MODE_SAME } } activation { relu {} } } } } } layers { name: 'd' conv2d { out_channels: 8 "
          "kernel: 1 } }"};
}

// An observed step computes everything: outputs, gradients and running statistics are those of one that does not.
TEST(StochasticDepth, WhatIsLeftOutChangesNoBit) {
  for (const v1::Precision precision : Precisions()) {
    for (const std::string& block : Blocks()) {
      SCOPED_TRACE(v1::Precision_Name(precision) + " " + block);
      PlanOptions options = Training(precision);
      PlannedNetwork sparing(FromText<v1::Network>(Residual(block)), options);
      options.observe = true;
      PlannedNetwork whole(FromText<v1::Network>(Residual(block)), options);
      std::vector<float> examples(8 * 6 * 8 * 8), targets(8 * 4);
      for (size_t i = 0; i < examples.size(); ++i) examples[i] = std::sin(static_cast<float>(i));
      for (uint64_t step = 0; step < 12; ++step) {
        for (PlannedNetwork* net : {&sparing, &whole}) {
          net->store->UpdateCopies();
          ASSERT_TRUE(net->plan
                          ->Run({.examples = examples.data(),
                                 .targets = {.values = targets.data()},
                                 .count = 8,
                                 .step = step,
                                 .observe = net == &whole})
                          .ok());
        }
        const int64_t outputs = 8 * whole.plan->outputs();
        EXPECT_EQ(std::vector<float>(sparing.plan->output(), sparing.plan->output() + outputs),
                  std::vector<float>(whole.plan->output(), whole.plan->output() + outputs));
        for (const StoredParameter& parameter : whole.store->parameters()) {
          EXPECT_EQ(sparing.Get(parameter.name), whole.Get(parameter.name)) << parameter.name << " step " << step;
          if (!parameter.spec->trained) continue;
          EXPECT_EQ(sparing.Gradient(parameter.name), whole.Gradient(parameter.name))
              << parameter.name << " step " << step;
        }
      }
    }
  }
}

// A NaN in a weight of the branch would spoil the gradient before it, 0 times NaN, if the branch were computed.
TEST(StochasticDepth, WhatIsLeftOutIsNotComputed) {
  for (const std::string& block : {Blocks()[0], Blocks()[1], Blocks()[3]}) {
    SCOPED_TRACE(block);
    PlannedNetwork net(FromText<v1::Network>(Residual(block)), Training(v1::PRECISION_F32));
    std::vector<float> broken = net.Get("a.conv2.weight");
    broken.assign(broken.size(), std::nanf(""));
    net.Set("a.conv2.weight", broken);
    const std::vector<float> examples(8 * 6 * 8 * 8, 0.5f), targets(8 * 4);
    int left_out = 0;
    for (uint64_t step = 0; step < 12; ++step) {
      const RandomStream random(kSeed, kStochasticDepth, StreamOf("a.depth"));
      if (ToUnit(random.Block(step, 0, 0)[0]) < 0.5) continue;
      ++left_out;
      ASSERT_TRUE(
          net.plan->Run({.examples = examples.data(), .targets = {.values = targets.data()}, .count = 8, .step = step})
              .ok());
      for (float gradient : net.Gradient("first.weight")) ASSERT_TRUE(std::isfinite(gradient));
      EXPECT_EQ(net.Gradient("a.conv2.weight"), std::vector<float>(broken.size(), 0.0f));
      EXPECT_EQ(net.Gradient("a.conv1.weight"), std::vector<float>(net.Gradient("a.conv1.weight").size(), 0.0f));
    }
    EXPECT_GT(left_out, 2);
  }
}

TEST(StochasticDepth, OnlyWhatServesItAloneIsLeftOut) {
  v1::Network network = FromText<v1::Network>(R"(input_shape: [3, 8, 8]
      layers { name: 'stem' conv2d { out_channels: 3 kernel: 1 } }
      layers { name: 'norm' batch_norm {} }
      layers { name: 'conv' conv2d { out_channels: 3 kernel: 1 } activation { relu {} } }
      layers { name: 'depth' stochastic_depth { survival: 0.5 } }
      layers { name: 'each' inputs: 'norm' stochastic_depth { survival: 0.5 per_example: true } }
      layers { name: 'always' inputs: 'norm' stochastic_depth { survival: 1 } }
      layers { name: 'sum' inputs: ['stem', 'depth', 'each', 'always'] add {} })");
  FieldErrors::Root errors;
  const auto graph = Graph::Build(network, errors.scope());
  ASSERT_TRUE(errors.ok()) << errors.ToStatus();
  const SkippedLayers skipped = FindSkippedLayers(*graph, kSeed, /*training=*/true);
  ASSERT_EQ(skipped.rules.size(), 1u);
  for (size_t i = 0; i < graph->nodes().size(); ++i) {
    const bool only = graph->nodes()[i].name == "conv";
    EXPECT_EQ(skipped.forward[i].size(), only ? 1u : 0u) << graph->nodes()[i].name;
    EXPECT_EQ(skipped.backward[i].size(), only ? 1u : 0u) << graph->nodes()[i].name;
  }
}

// Its running statistics move in every step, also in one that leaves the branch out.
TEST(StochasticDepth, WhatABatchNormReadsIsComputedForward) {
  v1::Network network = FromText<v1::Network>(R"(input_shape: [3, 8, 8]
      layers { name: 'stem' conv2d { out_channels: 3 kernel: 1 } }
      layers { name: 'before' conv2d { out_channels: 3 kernel: 1 } }
      layers { name: 'norm' batch_norm {} }
      layers { name: 'after' conv2d { out_channels: 3 kernel: 1 } }
      layers { name: 'depth' stochastic_depth { survival: 0.5 } }
      layers { name: 'sum' inputs: ['stem', 'depth'] add {} })");
  FieldErrors::Root errors;
  const auto graph = Graph::Build(network, errors.scope());
  const auto names = [&](const std::vector<std::vector<int>>& rules) {
    std::set<std::string> of;
    for (size_t i = 0; i < rules.size(); ++i) {
      if (!rules[i].empty()) of.insert(graph->nodes()[i].name);
    }
    return of;
  };
  const SkippedLayers training = FindSkippedLayers(*graph, kSeed, /*training=*/true);
  EXPECT_EQ(names(training.forward), (std::set<std::string>{"after"}));
  EXPECT_EQ(names(training.backward), (std::set<std::string>{"before", "norm", "after"}));
  const SkippedLayers sampling = FindSkippedLayers(*graph, kSeed, /*training=*/false);
  EXPECT_EQ(names(sampling.forward), (std::set<std::string>{"before", "norm", "after"}));
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
