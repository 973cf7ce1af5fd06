// What a plan promises besides right numbers (those are tests/conformance and tests/golden): no allocation in a step,
// no needless reorder, memory shared by lifetime, gradients of several readers added up.
#include "core/plan/plan.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/onednn/onednn.h"
#include "core/optimizers/update.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/bench/networks.h"
#include "tests/core/plan/allocations.h"
#include "tests/support/planned_network.h"

namespace traind::core {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

class PlanTest : public testing::Test {
 protected:
  // Plans a training step of `network` (text format) with softmax cross-entropy.
  void Make(const std::string& network, int64_t batch, bool observe = false) {
    PlanOptions options{.batch = batch, .training = true, .seed = 3};
    options.observe = observe;
    made_.emplace(FromText<v1::Network>(network), options, "softmax_cross_entropy {}");
    plan_ = made_->plan.get();
    ASSERT_NE(plan_, nullptr);
    examples_.resize(batch * Elements(made_->graph->input_shape()));
    for (size_t i = 0; i < examples_.size(); ++i) examples_[i] = static_cast<float>((i * 7919) % 1000) / 500.0f - 1.0f;
    for (int64_t i = 0; i < batch; ++i) labels_.push_back(static_cast<int32_t>(i % plan_->outputs()));
  }
  Plan::Input Input(bool observe = false) {
    return {.examples = examples_.data(),
            .targets = {.labels = labels_.data()},
            .count = static_cast<int64_t>(labels_.size()),
            .observe = observe};
  }
  std::vector<float> Gradient(const std::string& name) { return made_->Gradient(name); }
  int Count(const std::string& what) const {
    const auto labels = plan_->operations();
    return static_cast<int>(std::count_if(
        labels.begin(), labels.end(), [&](const std::string& label) { return label.find(what) != std::string::npos; }));
  }

  std::optional<PlannedNetwork> made_;
  Plan* plan_ = nullptr;
  std::vector<float> examples_;
  std::vector<int32_t> labels_;
};

std::string ReferenceNetwork(const std::string& name) {
  for (const auto& reference : bench::ReferenceNetworks()) {
    if (reference.name == name) return reference.network;
  }
  return "";
}

TEST_F(PlanTest, AStepAllocatesNothing) {
  Make(ReferenceNetwork("cnn28"), 16, /*observe=*/true);
  v1::Optimizer config;
  config.mutable_sgd();
  FieldErrors::Root errors;
  const auto optimizer = Registry<Optimizer>::Get().Create(config, errors.scope());
  UpdatePass update(*optimizer, UpdateTensors(*made_->store));
  std::vector<ParameterNumbers> numbers(update.tensors().size());
  for (int i = 0; i < 3; ++i) {
    if (i > 0) StartCountingAllocations();  // The first step warms up OpenMP's threads.
    const absl::Status status = plan_->Run(Input(/*observe=*/true));
    update.Measure();
    update.Run({.learning_rate = 0.01, .weight_decay = 0, .number = 1}, {}, &numbers);
    const int allocations = StopCountingAllocations();
    ASSERT_TRUE(status.ok()) << status;
    EXPECT_EQ(allocations, 0);
  }
}

TEST_F(PlanTest, AConvolutionalStepReordersOnlyTheWeightsOfBackwardData) {
  Make(ReferenceNetwork("cnn28"), 128);
  // conv2, conv3, conv4: the kernels of backward data want the weights' channels the other way round.
  EXPECT_LE(Count("reorder"), 5) << absl::StrJoin(plan_->operations(), "\n");
  EXPECT_EQ(Count("activation gradient"), 0) << "batch norm should do its relu by itself";
}

TEST_F(PlanTest, AResidualStepReordersOnlyTheWeightsOfBackwardData) {
  Make("input_shape: [3, 32, 32] preset { resnet { classes: 10 depth: 20 } }", 32);
  const auto convolutions = std::count_if(made_->network.layers().begin(), made_->network.layers().end(),
                                          [](const v1::Layer& layer) { return layer.has_conv2d(); });
  EXPECT_EQ(convolutions, 21);
  // oneDNN 3 goes back through the two stage entries' strided convolutions in nhwc: two gradients in, their sum out.
  const int strided = onednn::LibraryVersion().major >= 3 ? 2 * 3 : 0;
  EXPECT_LE(Count("reorder"), convolutions - 1 + strided) << absl::StrJoin(plan_->operations(), "\n");
}

// Joined layers of any number of channels stay in the blocks of the convolutions around them.
TEST_F(PlanTest, ADenseNetStepReordersOnlyWeights) {
  for (const int growth : {12, 16}) {
    Make(absl::StrCat("input_shape: [3, 8, 8] preset { densenet { classes: 10 depth: 16 growth: ", growth, " } }"), 8);
    for (const std::string& operation : plan_->operations()) {
      if (!absl::StrContains(operation, "reorder")) continue;
      EXPECT_TRUE(absl::StrContains(operation, "conv")) << operation;
    }
    const auto convolutions = std::count_if(made_->network.layers().begin(), made_->network.layers().end(),
                                            [](const v1::Layer& layer) { return layer.has_conv2d(); });
    EXPECT_EQ(convolutions, 15);
    EXPECT_LE(Count("reorder"), 2 * convolutions) << absl::StrJoin(plan_->operations(), "\n");
  }
}

TEST_F(PlanTest, ADenseStepReordersNothing) {
  Make(ReferenceNetwork("mlp_small"), 128);
  EXPECT_EQ(Count("reorder"), 0) << absl::StrJoin(plan_->operations(), "\n");
}

TEST_F(PlanTest, TheFirstLayerComputesNoGradientForItsInput) {
  Make(ReferenceNetwork("mlp_small"), 128);
  EXPECT_EQ(Count("fc1: inner product"), 2);  // Forward, and backward for the weights.
  EXPECT_EQ(Count("fc2: inner product"), 3);
}

TEST_F(PlanTest, ActivationsAndGradientsShareMemory) {
  std::string deep = "input_shape: 256 ";
  for (int i = 0; i < 12; ++i)
    deep += "layers { name: 'l" + std::to_string(i) + "' dense { units: 256 } activation { relu {} } } ";
  Make(deep, 64);
  const int64_t one = 64 * 256 * sizeof(float);
  // Twelve outputs must be kept for the way back; of the gradients only a few are alive at a time.
  EXPECT_LT(plan_->bytes().values + plan_->bytes().scratchpad, 12 * one + 6 * one);
}

// y = x + x has twice the gradient of y = x.
TEST_F(PlanTest, GradientsOfSeveralReadersAreAddedUp) {
  const std::string head = "input_shape: 8 layers { name: 'a' dense { units: 6 } } ";
  Make(head +
           "layers { name: 'twice' inputs: ['a', 'a'] add {} } layers { name: 'half' dense { units: 3 weight_init "
           "{ constant { value: 0.5 } } } }",
       4);
  ASSERT_TRUE(plan_->Run(Input()).ok());
  const std::vector<float> twice = Gradient("a.weight");
  const double twice_loss = plan_->loss_sum();
  labels_.clear();
  Make(head + "layers { name: 'half' dense { units: 3 weight_init { constant { value: 1 } } } }", 4);
  ASSERT_TRUE(plan_->Run(Input()).ok());
  EXPECT_NEAR(plan_->loss_sum(), twice_loss, 1e-5);
  EXPECT_THAT(Gradient("a.weight"), testing::Pointwise(testing::FloatNear(1e-6f), twice));
}

TEST_F(PlanTest, AViewOfTheInputFollowsTheCallersMemory) {
  Make("input_shape: [2, 3, 3] layers { name: 'flat' flatten {} } layers { name: 'out' dense { units: 3 } }", 4);
  ASSERT_TRUE(plan_->Run(Input()).ok());
  const double first = plan_->loss_sum();
  const std::vector<float> other(examples_.size(), 0.25f);
  Plan::Input input = Input();
  input.examples = other.data();
  ASSERT_TRUE(plan_->Run(input).ok());
  EXPECT_NE(plan_->loss_sum(), first);
  ASSERT_TRUE(plan_->Run(Input()).ok());
  EXPECT_EQ(plan_->loss_sum(), first);
}

}  // namespace
}  // namespace traind::core
