#include "core/graph/parameter_rules.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "absl/strings/str_cat.h"
#include "core/checkpoint/weight_rules.h"

namespace traind::core {
namespace {

bool HasWeights(const Node& node) {
  return std::any_of(node.parameters.begin(), node.parameters.end(), [](const ParameterSpec& parameter) {
    return parameter.trained && parameter.group == v1::PARAMETER_GROUP_WEIGHTS;
  });
}

ParameterTreatment TreatmentBy(const v1::ParameterRule& rule, int depth) {
  ParameterTreatment treatment;
  if (rule.has_learning_rate_multiplier()) treatment.learning_rate_factor = rule.learning_rate_multiplier();
  if (rule.has_layer_decay()) treatment.learning_rate_factor *= std::pow(rule.layer_decay(), depth);
  if (rule.has_weight_decay_multiplier()) treatment.weight_decay_multiplier = rule.weight_decay_multiplier();
  if (rule.has_weight_decay()) treatment.weight_decay = rule.weight_decay();
  if (rule.has_coupled_weight_decay()) treatment.coupled_weight_decay = rule.coupled_weight_decay();
  treatment.frozen = rule.frozen();
  treatment.unfreeze_after_steps = rule.unfreeze_after_steps();
  return treatment;
}

}  // namespace

std::vector<int> LayerDepths(const Graph& graph) {
  std::vector<int> depths(graph.nodes().size());
  for (size_t i = depths.size(); i-- > 0;) {
    const Node& node = graph.nodes()[i];
    const int before = depths[i] + (HasWeights(node) ? 1 : 0);
    for (const int input : node.inputs) {
      if (input != Node::kNetworkInput) depths[input] = std::max(depths[input], before);
    }
  }
  return depths;
}

std::vector<int> DecidingRules(const Graph& graph, const v1::JobSpec& spec) {
  std::vector<int> deciding;
  for (const Node& node : graph.nodes()) {
    for (const ParameterSpec& parameter : node.parameters) {
      const std::string name = absl::StrCat(node.name, ".", parameter.name);
      const auto rule =
          std::find_if(spec.parameter_rules().begin(), spec.parameter_rules().end(),
                       [&](const v1::ParameterRule& one) { return MatchPattern(one.parameters(), name).has_value(); });
      const bool found = parameter.trained && rule != spec.parameter_rules().end();
      deciding.push_back(found ? static_cast<int>(rule - spec.parameter_rules().begin()) : -1);
    }
  }
  return deciding;
}

std::vector<ParameterTreatment> TreatmentsOf(const Graph& graph, const v1::JobSpec& spec) {
  std::vector<ParameterTreatment> treatments;
  if (spec.parameter_rules().empty()) return treatments;
  const std::vector<int> deciding = DecidingRules(graph, spec), depths = LayerDepths(graph);
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    for (size_t k = 0; k < graph.nodes()[i].parameters.size(); ++k) {
      const int rule = deciding[treatments.size()];
      treatments.push_back(rule < 0 ? ParameterTreatment() : TreatmentBy(spec.parameter_rules(rule), depths[i]));
    }
  }
  return treatments;
}

std::vector<uint64_t> UnfreezeSteps(const v1::JobSpec& spec) {
  std::set<uint64_t> steps;
  for (const v1::ParameterRule& rule : spec.parameter_rules()) {
    if (rule.frozen() && rule.unfreeze_after_steps() > 0) steps.insert(rule.unfreeze_after_steps());
  }
  return {steps.begin(), steps.end()};
}

}  // namespace traind::core
