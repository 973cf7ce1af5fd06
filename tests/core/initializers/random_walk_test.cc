// The promise of random_walk: over many seeds, the logarithm of the gradient's norm does not drift with depth, where
// that of xavier and kaiming does.
#include <cmath>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/kinds/initializer.h"
#include "gtest/gtest.h"
#include "tests/support/planned_network.h"

namespace traind::core {
namespace {

constexpr int kDepth = 60;
constexpr int kWidth = 20;
constexpr int kSeeds = 60;

// The mean over seeds of d log |gradient before layer k's activation| / dk, by least squares. With one example, that
// gradient is the one of the bias.
double Drift(const std::string& weight_init, const std::string& activation) {
  std::string text = absl::StrCat("input_shape: ", kWidth);
  for (int k = 0; k < kDepth; ++k) {
    absl::StrAppend(&text, " layers { name: 'l", k, "' dense { units: ", kWidth, " weight_init { ", weight_init, " } }",
                    " activation { ", activation, " {} } }");
  }
  absl::StrAppend(&text, " layers { name: 'out' dense { units: ", kWidth, " } }");
  const PlannedNetwork network(FromText<v1::Network>(text), {.batch = 1, .training = true}, "softmax_cross_entropy {}");

  const std::vector<float> example(kWidth, 1.0f);
  const int32_t label = 0;
  double drift = 0;
  for (int seed = 0; seed < kSeeds; ++seed) {
    network.store->Initialize(seed);
    EXPECT_TRUE(network.plan->Run({.examples = example.data(), .targets = {.labels = &label}, .count = 1}).ok());
    double slope = 0, spread = 0;
    for (int k = 0; k < kDepth; ++k) {
      const StoredParameter& bias = network.store->Find(absl::StrCat("l", k), "bias");
      double squares = 0;
      for (int i = 0; i < kWidth; ++i) squares += static_cast<double>(bias.gradient[i]) * bias.gradient[i];
      const double distance = k - (kDepth - 1) / 2.0;
      slope += distance * 0.5 * std::log(squares);
      spread += distance * distance;
    }
    drift += slope / spread / kSeeds;
  }
  return drift;  // Per layer.
}

// In the limit of wide layers xavier drifts by 1 / (2 N) = 0.025 a layer, kaiming by 1.2 / (N - 2.4) = 0.068. The
// random walk of one seed leaves the mean over all of them with a standard error of 0.003 and of 0.005.
TEST(RandomWalkTest, GradientsDriftNowhereInLinearNetworks) {
  EXPECT_NEAR(Drift("random_walk { nonlinearity: NONLINEARITY_LINEAR }", "identity"), 0, 0.009);
  EXPECT_NEAR(std::abs(Drift("xavier {}", "identity")), 0.025, 0.009);
}

TEST(RandomWalkTest, GradientsDriftNowhereInReluNetworks) {
  EXPECT_NEAR(Drift("random_walk {}", "relu"), 0, 0.015);
  EXPECT_NEAR(std::abs(Drift("kaiming {}", "relu")), 0.068, 0.02);
}

TEST(RandomWalkTest, ResolvesItsDefault) {
  v1::Initializer config;
  config.mutable_random_walk();
  FieldErrors::Root errors;
  Registry<Initializer>::Get().Create(config, errors.scope());
  EXPECT_EQ(config.random_walk().nonlinearity(), v1::RandomWalk::NONLINEARITY_RELU);
  config.mutable_random_walk()->set_nonlinearity(static_cast<v1::RandomWalk::Nonlinearity>(9));
  Registry<Initializer>::Get().Create(config, errors.scope());
  ASSERT_EQ(errors.violations().field_violations_size(), 1);
  EXPECT_EQ(errors.violations().field_violations(0).field(), "random_walk.nonlinearity");
}

}  // namespace
}  // namespace traind::core
