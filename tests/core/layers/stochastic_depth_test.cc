// Stochastic depth held to its definition: the rate, the expectation, the exact mask for a given (seed, layer, step,
// example), in every layout, backward too, and the test side.
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/base/random.h"
#include "core/losses/loss.h"
#include "core/onednn/onednn.h"
#include "core/plan/parameter_store.h"
#include "core/plan/plan.h"
#include "google/protobuf/text_format.h"
#include "tests/core/plan/allocations.h"

namespace traind::core {
namespace {

constexpr uint64_t kSeed = 77;

// A plan of a whole small network.
class Running {
 public:
  Running(const std::string& text, int64_t batch, bool training, v1::Precision precision = v1::F32,
          bool with_loss = false)
      : batch_(batch) {
    v1::Network network;
    EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &network)) << text;
    FieldErrors::Root errors;
    graph_ = Graph::Build(network, errors.scope());
    v1::Loss loss;
    loss.mutable_mean_squared_error();
    loss_ = Registry<Loss>::Get().Create(loss, errors.scope());
    EXPECT_TRUE(errors.ok()) << errors.ToStatus();
    store_ = std::make_unique<ParameterStore>(*graph_, with_loss, 0);
    PlanOptions options{.batch = batch, .training = training, .precision = precision, .seed = kSeed};
    if (with_loss) options.loss = loss_.get();
    auto plan = Plan::Make(*graph_, *store_, options);
    EXPECT_TRUE(plan.ok()) << plan.status();
    plan_ = *std::move(plan);
    store_->Initialize(1);
    if (precision == v1::BF16) store_->UpdateCopies();
    if (!training) {
      EXPECT_TRUE(plan_->RefreshParameters().ok());
    }
    examples_.assign(batch * Elements(graph_->input_shape()), 1.0f);
    targets_.assign(batch * plan_->outputs(), 0.0f);
  }
  absl::Status Run(uint64_t step) {
    return plan_->Run(
        {.examples = examples_.data(), .targets = {.values = targets_.data()}, .count = batch_, .step = step});
  }
  // The output of each example; all of one are equal, as the inputs are.
  std::vector<float> Outputs(uint64_t step) {
    const absl::Status status = Run(step);
    EXPECT_TRUE(status.ok()) << status;
    std::vector<float> outputs;
    for (int64_t n = 0; n < batch_; ++n) {
      const float* example = plan_->output() + n * plan_->outputs();
      for (int64_t i = 1; i < plan_->outputs(); ++i) EXPECT_EQ(example[i], example[0]) << "example " << n;
      outputs.push_back(example[0]);
    }
    return outputs;
  }
  std::vector<float> Gradient(const std::string& name) {
    for (const StoredParameter& parameter : store_->parameters()) {
      if (parameter.name != name) continue;
      std::vector<float> values(Elements(parameter.spec->shape));
      store_->Get(parameter, parameter.gradient, absl::MakeSpan(values));
      return values;
    }
    ADD_FAILURE() << "no parameter " << name;
    return {};
  }

 private:
  const int64_t batch_;
  std::unique_ptr<Graph> graph_;
  std::unique_ptr<Loss> loss_;
  std::unique_ptr<ParameterStore> store_;
  std::unique_ptr<Plan> plan_;
  std::vector<float> examples_;
  std::vector<float> targets_;
};

std::string Net(const std::string& options) {
  return "input_shape: 5 layers { name: 'depth' stochastic_depth { " + options + " } }";
}

// The definition, word for word.
bool Passes(uint64_t step, uint32_t example, double survival) {
  const RandomStream random(kSeed, Purpose::kStochasticDepth, StreamOf("depth"));
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
  for (const v1::Precision precision : {v1::F32, v1::BF16}) {
    if (precision == v1::BF16 && !onednn::SupportsBf16()) continue;
    for (const int channels : {3, 16, 17}) {
      SCOPED_TRACE(channels);
      Running net("input_shape: [1, 4, 3] layers { name: 'conv' conv2d { out_channels: " + std::to_string(channels) +
                      " kernel: 1 weight_init { constant { value: 1 } } } } layers { name: 'depth' stochastic_depth { "
                      "survival: 0.5 per_example: true } }",
                  8, true, precision, /*with_loss=*/true);
      const std::vector<float> outputs = net.Outputs(9);
      double passed = 0;
      for (uint32_t n = 0; n < 8; ++n) {
        EXPECT_EQ(outputs[n], Passes(9, n, 0.5) ? 1 : 0);
        passed += outputs[n];
      }
      ASSERT_GT(passed, 0);
      // The mean of y^2 over 12 * channels values and 8 examples: each example that passes adds 2 * 12 / (8 * 12 * c).
      for (float gradient : net.Gradient("conv.weight")) {
        EXPECT_NEAR(gradient, 2 * passed / (8.0 * channels), precision == v1::F32 ? 1e-6 : 1e-2);
      }
    }
  }
}

TEST(StochasticDepth, AStepAllocatesNothing) {
  Running net(
      "input_shape: [1, 4, 3] layers { name: 'conv' conv2d { out_channels: 17 kernel: 1 weight_init { constant { "
      "value: "
      "1 } } } } layers { name: 'scale' scalar_affine {} } layers { name: 'depth' stochastic_depth {} }",
      8, true, v1::F32, /*with_loss=*/true);
  ASSERT_TRUE(net.Run(0).ok());  // Warms up OpenMP's threads.
  StartCountingAllocations();
  const absl::Status status = net.Run(1);
  const int allocations = StopCountingAllocations();
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(allocations, 0);
}

}  // namespace
}  // namespace traind::core
