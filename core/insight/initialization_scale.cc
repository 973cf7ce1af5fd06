// Outputs whose deviation shrinks or explodes from layer to layer (slides 48-53).
#include <algorithm>
#include <cmath>
#include <memory>

#include "absl/strings/str_cat.h"
#include "core/base/require.h"
#include "core/insight/fixes.h"
#include "core/insight/layers.h"

namespace traind::core {
namespace {

// A hidden layer with weights.
struct Hidden {
  const Node* node;
  double std;
};

std::vector<Hidden> HiddenLayers(const View& view) {
  const Graph& graph = *view.facts.graph;
  const Node* last = LastWithWeights(graph) < 0 ? nullptr : &graph.nodes()[LastWithWeights(graph)];
  const Followers behind(graph);
  std::vector<Hidden> hidden;
  ForEachLayer(view, [&](const v1::LayerStatistics& layer, const Node& node) {
    const bool joins_sum =
        behind.sum[&node - graph.nodes().data()];  // The last of a residual branch may start at zero.
    if (&node == last || joins_sum || TraitsOf(node).weight_initializer.empty()) return;
    hidden.push_back({&node, double{layer.std()}});
  });
  return hidden;
}

constexpr double kFar = 4;       // From layer to layer on average: nothing that training gets over well.
constexpr double kOutlier = 10;  // Times the layer before: one layer's weights are too large.

// A layer whose outputs are far larger than those of the one before it, with no batch normalization behind it; none
// that normalizes, which makes a deviation of its own of any.
void LookForOutlier(const View& view, const std::vector<Hidden>& hidden, std::vector<Sighting>& found) {
  const Followers behind(*view.facts.graph);
  for (size_t i = 1; i < hidden.size(); ++i) {
    const double ratio = hidden[i].std / hidden[i - 1].std;
    const Node& node = *hidden[i].node;
    if (ratio <= kOutlier || !HasWeights(node) || behind.batch_norm[&node - view.facts.graph->nodes().data()]) continue;
    Sighting& sighting =
        Add(found, absl::StrCat("at the beginning its outputs are far larger than those of the layer before: their ",
                                "deviation is ", hidden[i].std, ", and ", hidden[i - 1].std, " in \"",
                                hidden[i - 1].node->name, "\""));
    sighting.At(node)
        .Weighs(Weight::kPlain)
        .Measured("deviation / that of the layer before", ratio, v1::Evidence::RELATION_ABOVE, kOutlier)
        .Words("let its weights start with kaiming (under relu) or xavier (under tanh)");
    PatchInitializers(view.facts, {&node}, sighting);
    return;
  }
}

void LookAtDeviations(const v1::InitializationScaleRule& config, const View& view, std::vector<Sighting>& found) {
  if (view.step != 1) return;
  const std::vector<Hidden> hidden = HiddenLayers(view);
  // Nothing but zeros is no matter of scale: weights of zero, or a bias far below it; other rules say which.
  if (hidden.size() < 2 || std::any_of(hidden.begin(), hidden.end(), [](const Hidden& h) { return h.std == 0; }))
    return;
  LookForOutlier(view, hidden, found);
  if (!found.empty()) return;
  const double change = hidden.back().std / hidden.front().std;
  const double ratio = std::pow(change, 1.0 / static_cast<double>(hidden.size() - 1));
  const bool shrinks = ratio < config.least_ratio() && change * config.least_change() < 1;
  const bool grows = ratio > config.most_ratio() && change > config.least_change();
  if (!shrinks && !grows) return;
  // Where it begins.
  size_t at = 1;
  while (at + 1 < hidden.size() && (shrinks ? hidden[at].std >= config.least_ratio() * hidden[at - 1].std
                                            : hidden[at].std <= config.most_ratio() * hidden[at - 1].std)) {
    ++at;
  }
  Sighting& sighting = Add(found, absl::StrCat("at the beginning the outputs ", shrinks ? "shrink" : "grow",
                                               " from layer to layer: ", "their deviation is ", hidden.front().std,
                                               " in \"", hidden.front().node->name, "\" and ", hidden.back().std,
                                               " in \"", hidden.back().node->name, "\""));
  sighting.At(*hidden[at].node)
      .Weighs(ratio > kFar || ratio < 1 / kFar ? Weight::kPlain : Weight::kUsual)
      .Measured("deviation / that of the layer before, on average", ratio,
                shrinks ? v1::Evidence::RELATION_BELOW : v1::Evidence::RELATION_ABOVE,
                shrinks ? config.least_ratio() : config.most_ratio())
      .Words(
          "let weights start with kaiming (under relu) or xavier (under tanh), or put batch_norm between the layers");
  std::vector<const Node*> layers;
  for (const Node& node : view.facts.graph->nodes()) layers.push_back(&node);
  if (!PatchInitializers(view.facts, layers, sighting)) PatchBatchNorms(view.facts, sighting);
}

const Registered<Rule, v1::InitializationScaleRule> kInitializationScale(
    "The deviation of the outputs shrinks or explodes from layer to layer (slides 48-53).",
    [](v1::InitializationScaleRule& config, const FieldErrors& errors) {
      if (!config.has_least_ratio()) config.set_least_ratio(0.75);
      Require(config.least_ratio() > 0, errors, "least_ratio", "above 0", config.least_ratio());
      if (!config.has_most_ratio()) config.set_most_ratio(1.5);
      Require(config.most_ratio() > 0, errors, "most_ratio", "above 0", config.most_ratio());
      if (!config.has_least_change()) config.set_least_change(5);
      Require(config.least_change() > 1, errors, "least_change", "above 1", config.least_change());
      return std::make_unique<SimpleRule<v1::InitializationScaleRule>>(
          RuleTraits{.family = Family::kInitialization, .slide = 50, .unless_improving = true, .at_once = true},
          Source::kStatistics, config, LookAtDeviations);
    });

}  // namespace
}  // namespace traind::core
