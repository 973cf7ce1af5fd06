// Initializers that keep the variance of tanh, and let that of relu halve in each layer (slide 63).
#include <memory>

#include "absl/strings/str_cat.h"
#include "core/insight/fixes.h"
#include "core/insight/rule.h"
#include "core/kinds/initializer.h"

namespace traind::core {
namespace {

// The kind of the initializer of a weight that does not suit relu; empty: there is none.
std::string UnsuitableKind(const Node& node) {
  for (const ParameterSpec& parameter : node.parameters) {
    if (!parameter.penalized) continue;
    v1::Initializer config = parameter.initializer;
    FieldErrors::Root reported;
    const auto initializer = Registry<Initializer>::Get().Create(config, reported.scope());
    if (initializer != nullptr && !initializer->suits_relu()) return KindName(config);
  }
  return "";
}

void LookForXavier(const v1::XavierUnderReluRule&, const View& view, std::vector<Sighting>& found) {
  const Graph& graph = *view.facts.graph;
  const Followers behind(graph);
  std::vector<const Node*> layers;
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    const Node& node = graph.nodes()[i];
    if ((node.activation ? IsRelu(node) : behind.relu[i]) && !UnsuitableKind(node).empty()) layers.push_back(&node);
  }
  for (const Node* layer : layers) {
    Sighting& sighting =
        Add(found, absl::StrCat(UnsuitableKind(*layer), " under relu lets the activations shrink layer by layer"));
    sighting.At(*layer).Words("kaiming keeps their variance");
    PatchInitializers(view.facts, layers, sighting);
  }
}

const Registered<Rule, v1::XavierUnderReluRule> kXavierUnderRelu(
    "An initializer that lets the variance halve in each layer under relu (slide 63).",
    [](v1::XavierUnderReluRule& config, const FieldErrors&) {
      return std::make_unique<SimpleRule<v1::XavierUnderReluRule>>(
          RuleTraits{.family = Family::kInitialization, .slide = 63, .unless_improving = true, .at_once = true},
          Source::kSpec, config, LookForXavier);
    });

}  // namespace
}  // namespace traind::core
