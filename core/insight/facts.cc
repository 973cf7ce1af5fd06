#include "core/insight/facts.h"

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"
#include "core/graph/parameter_rules.h"
#include "core/kinds/loss.h"

namespace traind::core {

LayerTraits TraitsOf(const Node& node) { return node.layer ? node.layer->traits() : LayerTraits(); }

bool IsLinear(const Node& node) {
  return (node.layer == nullptr || node.layer->traits().linear) &&
         (node.activation == nullptr || node.activation->traits().linear);
}

bool IsRelu(const Node& node) { return node.activation && node.activation->is_relu(); }

bool ReadsTokens(const Graph& graph) {
  return std::any_of(graph.nodes().begin(), graph.nodes().end(),
                     [](const Node& node) { return TraitsOf(node).reads_examples; });
}

bool HasWeights(const Node& node) {
  for (const ParameterSpec& parameter : node.parameters) {
    if (parameter.penalized) return true;
  }
  return false;
}

std::string NameOfClass(const Facts& facts, int64_t label) {
  const bool named = label >= 0 && label < static_cast<int64_t>(facts.class_names.size());
  return named ? absl::StrCat("\"", facts.class_names[static_cast<size_t>(label)], "\"") : absl::StrCat(label);
}

std::vector<bool> NormalizesOverBatch(const Graph& graph, const v1::JobSpec* spec) {
  const auto treatments = spec == nullptr ? std::vector<ParameterTreatment>() : TreatmentsOf(graph, *spec);
  std::vector<bool> normalizes;
  size_t tensor = 0;
  for (const Node& node : graph.nodes()) {
    bool stands = !treatments.empty();
    for (const ParameterSpec& parameter : node.parameters) {
      if (treatments.empty()) break;
      const ParameterTreatment& treatment = treatments[tensor++];
      stands &= !parameter.trained || (treatment.frozen && treatment.unfreeze_after_steps == 0);
    }
    normalizes.push_back(TraitsOf(node).normalizes_over_batch && !stands);
  }
  return normalizes;
}

int LastWithWeights(const Graph& graph) {
  int last = -1;
  for (int i = 0; i < static_cast<int>(graph.nodes().size()); ++i) {
    if (HasWeights(graph.nodes()[i])) last = i;
  }
  return last;
}

bool IsLinear(const Graph& graph) {
  const int last = LastWithWeights(graph);
  int64_t narrowest = std::numeric_limits<int64_t>::max();  // Of what stands between.
  for (int i = 0; i < static_cast<int>(graph.nodes().size()); ++i) {
    const Node& node = graph.nodes()[i];
    if (!IsLinear(node)) return false;
    if (HasWeights(node) && i != last) narrowest = std::min(narrowest, Elements(node.output));
  }
  const bool several = narrowest != std::numeric_limits<int64_t>::max();
  return several && narrowest >= std::min(Elements(graph.input_shape()), Elements(graph.output().output));
}

Followers::Followers(const Graph& graph, const v1::JobSpec* spec)
    : relu(graph.nodes().size()), sum(graph.nodes().size()), batch_norm(graph.nodes().size()) {
  std::vector<int> readers(graph.nodes().size()), normalizing(graph.nodes().size());
  const std::vector<bool> over_batch = NormalizesOverBatch(graph, spec);
  if (!graph.nodes().empty()) ++readers[graph.output_index()];  // The loss.
  for (size_t i = graph.nodes().size(); i-- > 0;) {
    const Node& node = graph.nodes()[i];
    const LayerTraits traits = TraitsOf(node);
    for (const int input : node.inputs) {
      if (input == Node::kNetworkInput) continue;
      if (!node.layer && IsRelu(node)) relu[input] = true;
      if (traits.sums_inputs || (traits.channelwise && sum[i])) sum[input] = true;
      ++readers[input];
      if (over_batch[i]) ++normalizing[input];
    }
  }
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    batch_norm[i] = graph.nodes()[i].activation == nullptr && readers[i] > 0 && readers[i] == normalizing[i];
  }
}

bool LossHasSoftmax(const Facts& facts) {
  if (facts.spec == nullptr) return false;
  v1::Loss config = facts.spec->loss();
  FieldErrors::Root reported;
  const auto loss = Registry<Loss>::Get().Create(config, reported.scope());
  return loss != nullptr && loss->output_meaning() == OutputMeaning::kLogits;
}

}  // namespace traind::core
