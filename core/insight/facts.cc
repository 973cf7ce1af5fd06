#include "core/insight/facts.h"

#include "core/kinds/loss.h"

namespace traind::core {

LayerTraits TraitsOf(const Node& node) { return node.layer ? node.layer->traits() : LayerTraits(); }

bool IsRelu(const Node& node) { return node.activation && node.activation->is_relu(); }

bool HasWeights(const Node& node) {
  for (const ParameterSpec& parameter : node.parameters) {
    if (parameter.penalized) return true;
  }
  return false;
}

int LastWithWeights(const Graph& graph) {
  int last = -1;
  for (int i = 0; i < static_cast<int>(graph.nodes().size()); ++i) {
    if (HasWeights(graph.nodes()[i])) last = i;
  }
  return last;
}

Followers::Followers(const Graph& graph) : relu(graph.nodes().size()), sum(graph.nodes().size()) {
  for (size_t i = graph.nodes().size(); i-- > 0;) {
    const Node& node = graph.nodes()[i];
    const LayerTraits traits = TraitsOf(node);
    for (const int input : node.inputs) {
      if (input == Node::kNetworkInput) continue;
      if (!node.layer && IsRelu(node)) relu[input] = true;
      if (traits.sums_inputs || (traits.channelwise && sum[i])) sum[input] = true;
    }
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
