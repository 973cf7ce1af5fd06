// Penalties by group, through a whole network: their value against a float64 sum over the tensors they name, their
// gradients against finite differences of that value.
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "core/graph/graph.h"
#include "core/optimizers/resolve.h"
#include "core/optimizers/update.h"
#include "gtest/gtest.h"
#include "tests/support/planned_network.h"

namespace traind::core {
namespace {

// l1 and l2 by the end of a tensor's name, written down by hand; tensors that are not named here have none.
using Strengths = std::map<std::string, std::pair<double, double>>;

constexpr char kLayers[] = R"(
    input_shape: [2, 5, 5]
    layers { name: "c" conv2d { out_channels: 5 kernel: 3 } }
    layers { name: "n" batch_norm {} activation { relu {} } }
    layers { name: "p" activation { prelu {} } }
    layers { name: "d" dense { units: 4 } } )";

double PenaltyOf(const Strengths& strengths, const std::map<std::string, std::vector<float>>& tensors) {
  double penalty = 0;
  for (const auto& [name, strength] : strengths) {
    for (float w : tensors.at(name)) {
      penalty += strength.first * std::abs(static_cast<double>(w)) + strength.second * static_cast<double>(w) * w;
    }
  }
  return penalty;
}

TEST(ParameterGroupsTest, PenaltiesActOnTheGroupsTheyName) {
  const std::vector<std::pair<std::string, Strengths>> cases = {
      {"regularizers { elastic_net { l1: 0.1 l2: 0.2 } }", {{"c.weight", {0.1, 0.2}}, {"d.weight", {0.1, 0.2}}}},
      {"regularizers { l2 { strength: 0.3 } groups: PARAMETER_GROUP_BIASES }",
       {{"c.bias", {0, 0.3}}, {"d.bias", {0, 0.3}}}},
      {"regularizers { l1 { strength: 0.4 } groups: PARAMETER_GROUP_NORMALIZATION }",
       {{"n.weight", {0.4, 0}}, {"n.bias", {0.4, 0}}, {"p.slope", {0.4, 0}}}},
      {"regularizers { l1 { strength: 0.1 } groups: PARAMETER_GROUP_WEIGHTS groups: PARAMETER_GROUP_BIASES } "
       "regularizers { l2 { strength: 0.2 } groups: PARAMETER_GROUP_BIASES groups: PARAMETER_GROUP_NORMALIZATION }",
       {{"c.weight", {0.1, 0}},
        {"d.weight", {0.1, 0}},
        {"c.bias", {0.1, 0.2}},
        {"d.bias", {0.1, 0.2}},
        {"n.weight", {0, 0.2}},
        {"n.bias", {0, 0.2}},
        {"p.slope", {0, 0.2}}}},
  };
  for (const auto& [text, strengths] : cases) {
    const PlannedNetwork network(FromText<v1::Network>(kLayers + text), {.batch = 2, .training = true});
    ASSERT_NE(network.plan, nullptr) << text;
    ParameterStore& store = *network.store;
    v1::Optimizer config;
    config.mutable_sgd();
    FieldErrors::Root errors;
    const ResolvedOptimizer optimizer = ResolveOptimizer(config, errors.scope());
    ASSERT_TRUE(errors.ok()) << errors.ToStatus();
    const auto get = [&] {
      std::map<std::string, std::vector<float>> tensors;
      for (const StoredParameter& parameter : store.parameters()) {
        tensors[parameter.name] = network.Values(parameter, parameter.master);
      }
      return tensors;
    };
    for (StoredParameter& parameter : store.parameters()) {  // No tensor at zero, where |w| has no slope.
      std::vector<float> values(Elements(parameter.spec->shape));
      for (size_t i = 0; i < values.size(); ++i) values[i] = (i % 3 == 0 ? -0.5f : 0.25f) + 0.01f * (i % 10);
      store.Set(parameter, parameter.master, values);
    }
    const auto before = get();
    UpdatePass pass(*optimizer.optimizer, UpdateTensors(store));
    EXPECT_NEAR(pass.Measure().penalty, PenaltyOf(strengths, before), 1e-9) << text;

    // The gradients of the loss are zero, so an update by 1 takes away the penalty's.
    pass.Run({.learning_rate = 1, .weight_decay = 0, .number = 1}, {}, nullptr);
    const auto after = get();
    for (const auto& [name, values] : before) {
      for (size_t i = 0; i < values.size(); i += 7) {
        auto moved = before;
        moved[name][i] = values[i] + 0x1p-10f;
        const double up = PenaltyOf(strengths, moved);
        moved[name][i] = values[i] - 0x1p-10f;
        const double slope = (up - PenaltyOf(strengths, moved)) / 0x1p-9;
        EXPECT_NEAR(values[i] - after.at(name)[i], slope, 2e-4) << text << " " << name << " " << i;
      }
    }
  }
}

TEST(ParameterGroupsTest, TheDefaultIsFilledIn) {
  auto network = FromText<v1::Network>(std::string(kLayers) + "regularizers { l2 { strength: 1 } }");
  FieldErrors::Root errors;
  Graph::Build(network, errors.scope());
  ASSERT_TRUE(errors.ok()) << errors.ToStatus();
  ASSERT_EQ(network.regularizers(0).groups_size(), 1);
  EXPECT_EQ(network.regularizers(0).groups(0), v1::PARAMETER_GROUP_WEIGHTS);
}

}  // namespace
}  // namespace traind::core
