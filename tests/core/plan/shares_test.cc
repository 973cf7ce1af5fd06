// A minibatch that several plans share: what is drawn for an example is keyed by its place in the whole minibatch, so
// that a share computes what the whole does, whatever draws at random.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/plan/plan.h"
#include "gtest/gtest.h"
#include "tests/support/text_proto.h"

namespace traind::core {
namespace {

constexpr int64_t kBatch = 8;
constexpr int64_t kShare = 4;

class Shares : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    auto network = FromText<v1::Network>(
        std::string("input_shape: [3, 8, 8] layers { name: 'c' conv2d { out_channels: 6 kernel: 3 } } layers { name: "
                    "'it' ") +
        GetParam() + " } layers { name: 'o' dense { units: 5 } }");
    FieldErrors::Root errors;
    graph_ = Graph::Build(network, errors.scope());
    ASSERT_TRUE(errors.ok()) << errors.ToStatus();
    store_ = std::make_unique<ParameterStore>(*graph_, /*trainable=*/true, 0);
    examples_.resize(kBatch * Elements(graph_->input_shape()));
    for (size_t i = 0; i < examples_.size(); ++i) examples_[i] = static_cast<float>((i * 7919) % 1000) / 500.0f - 1.0f;
  }

  std::unique_ptr<Plan> Make(int64_t batch) {
    auto plan = Plan::Make(*graph_, *store_, {.batch = batch, .training = true, .seed = 7});
    EXPECT_TRUE(plan.ok()) << plan.status();
    return *std::move(plan);
  }
  std::vector<float> Run(Plan& plan, int64_t first, int64_t count, uint32_t first_example) {
    const float* examples = examples_.data() + first * Elements(graph_->input_shape());
    EXPECT_TRUE(plan.Run({.examples = examples, .count = count, .step = 3, .first_example = first_example}).ok());
    return {plan.output(), plan.output() + count * plan.outputs()};
  }

  std::unique_ptr<Graph> graph_;
  std::unique_ptr<ParameterStore> store_;
  std::vector<float> examples_;
};

TEST_P(Shares, ComputeWhatTheWholeDoes) {
  const auto whole = Make(kBatch), share = Make(kShare);
  store_->Initialize(5);
  const std::vector<float> all = Run(*whole, 0, kBatch, 0);
  const std::vector<float> second(all.end() - kShare * whole->outputs(), all.end());
  std::vector<float> shared = Run(*share, kShare, kShare, kShare);
  for (size_t i = 0; i < second.size(); ++i) EXPECT_NEAR(shared[i], second[i], 1e-5) << i;
  // Numbered from 0, the same examples draw what the first share draws.
  shared = Run(*share, kShare, kShare, 0);
  EXPECT_FALSE(std::equal(second.begin(), second.end(), shared.begin(),
                          [](float a, float b) { return std::abs(a - b) < 1e-5f; }));
}

INSTANTIATE_TEST_SUITE_P(EveryRandomLayer, Shares,
                         testing::Values("dropout { rate: 0.4 }", "drop_connect { units: 20 per_example: true }",
                                         "stochastic_depth { survival: 0.5 per_example: true }",
                                         "fractional_max_pool {}"));

}  // namespace
}  // namespace traind::core
