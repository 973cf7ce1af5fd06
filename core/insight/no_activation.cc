// A network of several layers that is linear as a whole.
#include <memory>

#include "absl/strings/str_cat.h"
#include "core/insight/fixes.h"
#include "core/insight/rule.h"

namespace traind::core {
namespace {

void LookForActivations(const v1::NoActivationRule&, const View& view, std::vector<Sighting>& found) {
  const Graph& graph = *view.facts.graph;
  if (!IsLinear(graph)) return;
  std::vector<const Node*> layers;
  for (const Node& node : graph.nodes()) {
    if (HasWeights(node)) layers.push_back(&node);
  }
  Sighting& sighting =
      Add(found, absl::StrCat("no activation between ", layers.size(),
                              " layers with weights: together they can do no more than ", "one linear layer"));
  sighting.Words("give the hidden layers an activation, such as relu");
  layers.pop_back();  // The outputs stay free.
  PatchRelu(view.facts, layers, sighting);
}

const Registered<Rule, v1::NoActivationRule> kNoActivation(
    "Several layers and not one activation: a linear network.", [](v1::NoActivationRule& config, const FieldErrors&) {
      return std::make_unique<SimpleRule<v1::NoActivationRule>>(
          RuleTraits{.family = Family::kNetwork, .unless_improving = true, .at_once = true, .may_overflow = true},
          Source::kSpec, config, LookForActivations);
    });

}  // namespace
}  // namespace traind::core
