// Weight decay on what needs none: biases, and the scales of normalizations. The optimizer's own weight_decay never
// acts on them; a regularizer does where its groups say so.
#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/require.h"
#include "core/insight/fixes.h"
#include "core/insight/rule.h"

namespace traind::core {
namespace {

using Regularizers = google::protobuf::RepeatedPtrField<v1::Regularizer>;

bool NeedsNoDecay(int group) {
  return group == v1::PARAMETER_GROUP_BIASES || group == v1::PARAMETER_GROUP_NORMALIZATION;
}

// The largest decay of what needs none, as in w -= rate * decay * w: an l2 of strength s has 2 s.
double DecayOf(const Node& node) {
  double decay = 0;
  for (const ParameterSpec& parameter : node.parameters) {
    if (!parameter.trained || !NeedsNoDecay(parameter.group)) continue;
    decay = std::max(decay, 2 * node.penalties[parameter.group].l2);
  }
  return decay;
}

// Leaves the other groups; true when something was taken away.
bool LeaveWeights(Regularizers& regularizers) {
  bool changed = false;
  for (int i = regularizers.size(); i-- > 0;) {
    v1::Regularizer& one = regularizers[i];
    if (!one.has_l2() && !one.has_elastic_net()) continue;
    const auto end = std::remove_if(one.mutable_groups()->begin(), one.mutable_groups()->end(), NeedsNoDecay);
    if (end == one.mutable_groups()->end()) continue;
    one.mutable_groups()->erase(end, one.mutable_groups()->end());
    if (one.groups().empty()) regularizers.DeleteSubrange(i, 1);
    changed = true;
  }
  return changed;
}

void PatchGroups(const Facts& facts, Sighting& sighting) {
  if (GivenNetwork(facts) == nullptr) return;
  v1::Network network = *GivenNetwork(facts);
  bool changed = LeaveWeights(*network.mutable_regularizers());
  for (v1::Layer& layer : *network.mutable_layers()) changed |= LeaveWeights(*layer.mutable_regularizers());
  if (changed) *Patch("network", sighting).mutable_network() = std::move(network);
}

void LookForDecay(const v1::DecayOfNormsRule& config, const View& view, std::vector<Sighting>& found) {
  const Node* first = nullptr;
  double most = 0;
  int layers = 0;
  for (const Node& node : view.facts.graph->nodes()) {
    const double decay = DecayOf(node);
    if (decay < config.least_decay() || decay == 0) continue;
    if (first == nullptr) first = &node;
    most = std::max(most, decay);
    ++layers;
  }
  if (first == nullptr) return;
  Sighting& sighting =
      Add(found, absl::StrCat("a regularizer pulls biases or scales of normalizations towards zero, in ",
                              layers == 1 ? "this layer" : absl::StrCat(layers, " layers")));
  sighting.At(*first)
      .Is(v1::Finding::SEVERITY_INFO)
      .Measured("weight decay (twice the strength of an l2)", most, v1::Evidence::RELATION_ABOVE, config.least_decay())
      .Words("let it act on PARAMETER_GROUP_WEIGHTS alone");
  PatchGroups(view.facts, sighting);
}

const Registered<Rule, v1::DecayOfNormsRule> kDecayOfNorms(
    "Weight decay on biases and on the scales of normalizations.",
    [](v1::DecayOfNormsRule& config, const FieldErrors& errors) {
      if (!config.has_least_decay()) config.set_least_decay(1e-3);
      Require(config.least_decay() >= 0, errors, "least_decay", "at least 0", config.least_decay());
      return std::make_unique<SimpleRule<v1::DecayOfNormsRule>>(RuleTraits{.family = Family::kAlone, .at_once = true},
                                                                Source::kSpec, config, LookForDecay);
    });

}  // namespace
}  // namespace traind::core
