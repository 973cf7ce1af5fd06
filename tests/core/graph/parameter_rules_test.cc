#include "core/graph/parameter_rules.h"

#include <map>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/text_proto.h"

namespace traind::core {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::unique_ptr<Graph> Network() {
  auto network = FromText<v1::Network>(R"(
      input_shape: [ 3, 8, 8 ]
      layers { name: "stem" conv2d { out_channels: 4 kernel: 3 padding { amount: 1 } } }
      layers { name: "norm" batch_norm {} activation { prelu {} } }
      layers { name: "long1" conv2d { out_channels: 4 kernel: 3 padding { amount: 1 } } }
      layers { name: "pre" batch_norm {} activation { relu {} } }
      layers { name: "long2" conv2d { out_channels: 4 kernel: 3 padding { amount: 1 } } }
      layers { name: "sum" inputs: "norm" inputs: "long2" add {} }
      layers { name: "logits" dense { units: 5 } })");
  FieldErrors::Root errors;
  auto graph = Graph::Build(network, errors.scope());
  EXPECT_TRUE(errors.ok()) << errors.ToStatus();
  return graph;
}

TEST(ParameterRules, DepthCountsLayersWithWeightsOnTheLongestWay) {
  const auto graph = Network();
  std::map<std::string, int> depths;
  const std::vector<int> all = LayerDepths(*graph);
  for (size_t i = 0; i < all.size(); ++i) depths[graph->nodes()[i].name] = all[i];
  const std::map<std::string, int> expected = {{"stem", 3},  {"norm", 3}, {"long1", 2}, {"pre", 2},
                                               {"long2", 1}, {"sum", 1},  {"logits", 0}};
  EXPECT_EQ(depths, expected);
}

TEST(ParameterRules, TheFirstThatMatchesDecides) {
  const auto graph = Network();
  const auto spec = FromText<v1::JobSpec>(
      "parameter_rules { parameters: '*.bias' weight_decay: 0 } "
      "parameter_rules { parameters: 'norm.*' frozen: true unfreeze_after_steps: 7 learning_rate_multiplier: 3 } "
      "parameter_rules { parameters: '*' layer_decay: 0.5 learning_rate_multiplier: 2 }");
  const auto treatments = TreatmentsOf(*graph, spec);
  std::map<std::string, ParameterTreatment> by_name;
  size_t index = 0;
  for (const Node& node : graph->nodes()) {
    for (const ParameterSpec& parameter : node.parameters) {
      by_name[absl::StrCat(node.name, ".", parameter.name)] = treatments[index++];
    }
  }
  EXPECT_EQ(by_name["stem.bias"].weight_decay, 0.0);
  EXPECT_EQ(by_name["stem.bias"].learning_rate_factor, 1);
  EXPECT_EQ(by_name["stem.weight"].learning_rate_factor, 2 * 0.125);
  EXPECT_EQ(by_name["logits.weight"].learning_rate_factor, 2);
  EXPECT_EQ(by_name["pre.weight"].learning_rate_factor, 2 * 0.25);
  EXPECT_FALSE(by_name["norm.bias"].frozen);
  EXPECT_TRUE(by_name["norm.slope"].FrozenAfter(6));
  EXPECT_FALSE(by_name["norm.slope"].FrozenAfter(7));
  EXPECT_EQ(by_name["norm.weight"].learning_rate_factor, 3);
  EXPECT_FALSE(by_name["norm.running_mean"].frozen) << "no rule is about what is not trained";
  EXPECT_EQ(by_name["norm.running_mean"].learning_rate_factor, 1);
  EXPECT_THAT(UnfreezeSteps(spec), ElementsAre(7));
  EXPECT_THAT(TreatmentsOf(*graph, v1::JobSpec()), IsEmpty());
}

}  // namespace
}  // namespace traind::core
