// Two layers with weights and nothing between them but what is linear, too, in a network that is not linear as a whole.
#include <memory>

#include "absl/strings/str_cat.h"
#include "core/insight/fixes.h"
#include "core/insight/rule.h"

namespace traind::core {
namespace {

// The layer whose weights the node's input comes from, through what is linear; null: there is a nonlinearity, or more
// than one way.
const Node* LinearSource(const Graph& graph, const Node& node) {
  if (node.inputs.size() != 1 || node.inputs[0] == Node::kNetworkInput) return nullptr;
  const Node& before = graph.nodes()[node.inputs[0]];
  if (!IsLinear(before)) return nullptr;
  return HasWeights(before) ? &before : LinearSource(graph, before);
}

// Whether the first one makes the numbers fewer: then it is a bottleneck, and the two are not one.
bool IsBottleneck(const Node& first, const Node& second) {
  const int64_t between = Elements(first.pre_activation);
  const int64_t before = first.input_shapes.empty() ? 0 : Elements(first.input_shapes[0]);
  return between < before && between < Elements(second.pre_activation);
}

void LookForLinearPairs(const v1::TwoLinearLayersRule&, const View& view, std::vector<Sighting>& found) {
  const Graph& graph = *view.facts.graph;
  if (IsLinear(graph)) return;  // no_activation says so of them all.
  for (const Node& node : graph.nodes()) {
    if (!HasWeights(node) || TraitsOf(node).weight_initializer.empty()) continue;
    const Node* first = LinearSource(graph, node);
    if (first == nullptr || TraitsOf(*first).weight_initializer.empty() || IsBottleneck(*first, node)) continue;
    Sighting& sighting = Add(found, absl::StrCat("nothing but linear layers between \"", first->name,
                                                 "\" and it: the two can do no more than one"));
    sighting.At(node).Words(absl::StrCat("give \"", first->name, "\" an activation"));
    PatchRelu(view.facts, {first}, sighting);
  }
}

const Registered<Rule, v1::TwoLinearLayersRule> kTwoLinearLayers(
    "Two linear layers in a row can do no more than one.", [](v1::TwoLinearLayersRule& config, const FieldErrors&) {
      return std::make_unique<SimpleRule<v1::TwoLinearLayersRule>>(
          RuleTraits{.family = Family::kNetwork, .unless_improving = true, .at_once = true, .may_overflow = true},
          Source::kSpec, config, LookForLinearPairs);
    });

}  // namespace
}  // namespace traind::core
