// Biases that a batch normalization takes away again.
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/graph/parameter_rules.h"
#include "core/insight/fixes.h"
#include "core/insight/rule.h"

namespace traind::core {
namespace {

// For each node whether it learns a bias for each unit, which the normalization's mean of that unit has in it.
std::vector<bool> LearnBiases(const Facts& facts) {
  const auto treatments =
      facts.spec == nullptr ? std::vector<ParameterTreatment>() : TreatmentsOf(*facts.graph, *facts.spec);
  std::vector<bool> learn;
  size_t tensor = 0;
  for (const Node& node : facts.graph->nodes()) {
    bool learns = false;
    for (const ParameterSpec& parameter : node.parameters) {
      const bool frozen = !treatments.empty() && treatments[tensor].frozen;
      learns |= parameter.group == v1::PARAMETER_GROUP_BIASES && parameter.trained && !frozen;
      ++tensor;
    }
    learn.push_back(learns && HasWeights(node));
  }
  return learn;
}

void LookForBiases(const v1::BiasBeforeBatchNormRule&, const View& view, std::vector<Sighting>& found) {
  const Graph& graph = *view.facts.graph;
  const Followers behind(graph, view.facts.spec);
  const std::vector<bool> biased = LearnBiases(view.facts);
  std::vector<const Node*> layers;
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    if (behind.batch_norm[i] && biased[i]) layers.push_back(&graph.nodes()[i]);
  }
  if (layers.empty()) return;
  const size_t others = layers.size() - 1;
  Sighting& sighting =
      Add(found, absl::StrCat("its bias", others == 0 ? "" : absl::StrCat(", and those of ", others, " more layers,"),
                              " learns nothing: the batch normalization behind it takes the mean away"));
  sighting.At(*layers[0]).Is(v1::Finding::SEVERITY_INFO).Words("leave it out (bias: false)");
  PatchWithoutBias(view.facts, layers, sighting);
}

const Registered<Rule, v1::BiasBeforeBatchNormRule> kBiasBeforeBatchNorm(
    "A bias that the batch normalization behind it takes away.",
    [](v1::BiasBeforeBatchNormRule& config, const FieldErrors&) {
      return std::make_unique<SimpleRule<v1::BiasBeforeBatchNormRule>>(
          RuleTraits{.family = Family::kAlone, .slide = 84, .at_once = true}, Source::kSpec, config, LookForBiases);
    });

}  // namespace
}  // namespace traind::core
