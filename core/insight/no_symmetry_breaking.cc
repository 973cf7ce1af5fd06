// Layers whose weights all start equal (slide 45).
#include <algorithm>
#include <memory>

#include "core/insight/fixes.h"
#include "core/insight/rule.h"
#include "core/kinds/initializer.h"

namespace traind::core {
namespace {

bool StartsEqual(const ParameterSpec& parameter) {
  if (!parameter.penalized || parameter.shape[0] <= 1) return false;
  v1::Initializer config = parameter.initializer;
  FieldErrors::Root reported;
  const auto initializer = Registry<Initializer>::Get().Create(config, reported.scope());
  return initializer != nullptr && !initializer->breaks_symmetry();
}

void LookForEqualWeights(const v1::NoSymmetryBreakingRule&, const View& view, std::vector<Sighting>& found) {
  const Graph& graph = *view.facts.graph;
  const int last = LastWithWeights(graph);
  const Followers behind(graph);
  std::vector<const Node*> layers;
  for (int i = 0; i < static_cast<int>(graph.nodes().size()); ++i) {
    const Node& node = graph.nodes()[i];
    const bool equal = std::any_of(node.parameters.begin(), node.parameters.end(), StartsEqual);
    if (equal && i != last && !behind.sum[i]) layers.push_back(&node);
  }
  for (const Node* layer : layers) {
    Sighting& sighting = Add(found, "all its weights start equal, so its units stay equal: no symmetry breaking");
    sighting.At(*layer).Words("use kaiming or xavier");
    PatchInitializers(view.facts, layers, sighting);
  }
}

const Registered<Rule, v1::NoSymmetryBreakingRule> kNoSymmetryBreaking(
    "All weights of a layer start equal, and its units stay equal (slide 45).",
    [](v1::NoSymmetryBreakingRule& config, const FieldErrors&) {
      return std::make_unique<SimpleRule<v1::NoSymmetryBreakingRule>>(
          RuleTraits{.family = Family::kNetwork, .slide = 45, .at_once = true}, Source::kSpec, config,
          LookForEqualWeights);
    });

}  // namespace
}  // namespace traind::core
