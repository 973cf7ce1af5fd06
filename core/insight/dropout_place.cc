// Dropout that drops most, or stands right before a batch normalization.
#include <memory>

#include "absl/strings/str_cat.h"
#include "core/base/require.h"
#include "core/insight/rule.h"

namespace traind::core {
namespace {

void LookAtDropout(const v1::DropoutPlaceRule& config, const View& view, std::vector<Sighting>& found) {
  const Graph& graph = *view.facts.graph;
  for (const Node& node : graph.nodes()) {
    if (!TraitsOf(node).normalizes_over_batch || node.inputs.empty() || node.inputs[0] < 0) continue;
    const Node& before = graph.nodes()[node.inputs[0]];
    if (!TraitsOf(before).drops_values) continue;
    Add(found, absl::StrCat(before.kind, " right before \"", node.name, "\", which then sees another variance in ",
                            "training than at test time"))
        .At(before)
        .Is(v1::Finding::SEVERITY_INFO)
        .Words("put it behind the last normalization");
  }
  if (view.facts.spec == nullptr) return;
  for (const v1::Layer& layer : view.facts.spec->network().layers()) {
    if (!layer.has_dropout() || layer.dropout().rate() <= config.most_rate()) continue;
    Sighting& sighting = Add(found, absl::StrCat("drops ", layer.dropout().rate(), " of its values"));
    sighting.finding.set_layer(layer.name());
    sighting.Measured("rate", layer.dropout().rate(), v1::Evidence::RELATION_ABOVE, config.most_rate())
        .Words("the lecture and the networks that it names drop half at most");
  }
}

const Registered<Rule, v1::DropoutPlaceRule> kDropoutPlace(
    "Dropout right before a batch normalization, or above one half.",
    [](v1::DropoutPlaceRule& config, const FieldErrors& errors) {
      if (!config.has_most_rate()) config.set_most_rate(0.5);
      Require(config.most_rate() >= 0 && config.most_rate() <= 1, errors, "most_rate", "in [0, 1]", config.most_rate());
      return std::make_unique<SimpleRule<v1::DropoutPlaceRule>>(
          RuleTraits{.family = Family::kNetwork, .slide = 79, .unless_improving = true, .at_once = true}, Source::kSpec,
          config, LookAtDropout);
    });

}  // namespace
}  // namespace traind::core
