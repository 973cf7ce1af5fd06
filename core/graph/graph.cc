#include "core/graph/graph.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace traind::core {
namespace {

constexpr std::string_view kInputName = "input";
constexpr int kMaxLayers = 10000;
constexpr int64_t kMaxDimension = int64_t{1} << 24;
constexpr int64_t kMaxElements = int64_t{1} << 31;

bool IsName(std::string_view name) {
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return absl::ascii_isalnum(c) || c == '_' || c == '-';
  });
}

std::string OneofName(const google::protobuf::Message& message) {
  const auto* kinds = message.GetDescriptor()->FindOneofByName("kind");
  const auto* field = message.GetReflection()->GetOneofFieldDescriptor(message, kinds);
  return field ? std::string(field->name()) : "";
}

bool CheckInputShape(const v1::Network& network, const FieldErrors& errors) {
  const auto& shape = network.input_shape();
  const bool rank = shape.size() == 1 || shape.size() == 3;
  const bool sizes = std::all_of(shape.begin(), shape.end(), [](int64_t d) { return d >= 1 && d <= kMaxDimension; });
  if (rank && sizes && CheckedElements(shape, kMaxElements) > 0) return true;
  errors.At("input_shape")
      .Add("must be [features] or [channels, height, width], each at least 1, at most 2^31 values in all");
  return false;
}

// The indices each layer reads; nullopt for a layer whose inputs are wrong.
std::vector<std::optional<std::vector<int>>> ResolveInputs(const v1::Network& network, const FieldErrors& errors) {
  absl::flat_hash_map<std::string, int> by_name = {{std::string(kInputName), Node::kNetworkInput}};
  for (int i = 0; i < network.layers_size(); ++i) {
    const std::string& name = network.layers(i).name();
    const FieldErrors at = errors.At("layers", i).At("name");
    if (!IsName(name)) {
      at.Add("must be 1 to 64 letters, digits, '_' or '-'");
    } else if (!by_name.emplace(name, i).second) {
      at.Add(name == kInputName ? "\"input\" is the network's input"
                                : absl::StrCat("\"", name, "\" is the name of another layer"));
    }
  }
  std::vector<std::optional<std::vector<int>>> inputs(network.layers_size());
  for (int i = 0; i < network.layers_size(); ++i) {
    const auto& layer = network.layers(i);
    inputs[i].emplace();
    if (layer.inputs().empty()) inputs[i]->push_back(i - 1);  // The layer before, and before the first the input.
    for (int k = 0; k < layer.inputs_size(); ++k) {
      auto found = by_name.find(layer.inputs(k));
      if (found == by_name.end()) {
        errors.At("layers", i).At("inputs", k).Add(absl::StrCat("there is no layer \"", layer.inputs(k), "\""));
        inputs[i].reset();
        break;
      }
      inputs[i]->push_back(found->second);
    }
  }
  return inputs;
}

// An order in which every layer comes after its inputs, the list's own where that is one. Layers on a cycle, or behind
// one, are reported and left out.
std::vector<int> Order(const std::vector<std::optional<std::vector<int>>>& inputs, const FieldErrors& errors) {
  std::vector<int> order;
  std::vector<bool> placed(inputs.size(), false);
  auto ready = [&](int i) {
    return !inputs[i] || std::all_of(inputs[i]->begin(), inputs[i]->end(), [&](int k) { return k < 0 || placed[k]; });
  };
  for (bool progress = true; progress;) {
    progress = false;
    for (int i = 0; i < static_cast<int>(inputs.size()); ++i) {
      if (placed[i] || !ready(i)) continue;
      placed[i] = progress = true;
      order.push_back(i);
    }
  }
  for (int i = 0; i < static_cast<int>(inputs.size()); ++i) {
    if (!placed[i]) errors.At("layers", i).At("inputs").Add("the layer reads its own output, by way of its inputs");
  }
  return order;
}

// Fills in the default and checks the list.
void ResolveGroups(v1::Regularizer& regularizer, const FieldErrors& errors) {
  if (regularizer.groups().empty()) regularizer.add_groups(v1::WEIGHTS);
  std::array<bool, v1::ParameterGroup_ARRAYSIZE> listed = {};
  for (int i = 0; i < regularizer.groups_size(); ++i) {
    const int group = regularizer.groups(i);
    if (group == v1::PARAMETER_GROUP_UNSPECIFIED || !v1::ParameterGroup_IsValid(group)) {
      errors.At("groups", i).Add(absl::StrCat("must be WEIGHTS, BIASES or NORMALIZATION, not ", group));
    } else if (std::exchange(listed[group], true)) {
      errors.At("groups", i)
          .Add(absl::StrCat(v1::ParameterGroup_Name(regularizer.groups(i)), " is in the list already"));
    }
  }
}

GroupPenalties SumOf(google::protobuf::RepeatedPtrField<v1::Regularizer>& regularizers, const FieldErrors& errors) {
  GroupPenalties sum = {};
  for (int i = 0; i < regularizers.size(); ++i) {
    const FieldErrors at = errors.At("regularizers", i);
    const int before = errors.count();
    ResolveGroups(regularizers[i], at);
    auto regularizer = Registry<Regularizer>::Get().Create(regularizers[i], at);
    if (errors.count() > before) continue;
    const PenaltyStrength one = regularizer->strength();
    for (const int group : regularizers[i].groups()) {
      sum[group].l1 += one.l1;
      sum[group].l2 += one.l2;
    }
  }
  return sum;
}

// Weights are what the layer says; the bias beside them is a bias; the shift of a normalization, also called "bias", is
// beside none.
void AssignGroups(std::vector<ParameterSpec>& parameters) {
  const bool weights = std::any_of(parameters.begin(), parameters.end(), [](const auto& p) { return p.penalized; });
  for (ParameterSpec& parameter : parameters) {
    const bool bias = weights && parameter.name == "bias";
    parameter.group = parameter.penalized ? v1::WEIGHTS : bias ? v1::BIASES : v1::NORMALIZATION;
  }
}

// Makes the layer's components and checks everything about it but its shapes. False after a violation.
bool MakeNode(v1::Layer& layer, const GroupPenalties& network_penalties, const FieldErrors& errors, Node& node) {
  bool ok = true;
  node.name = layer.name();
  node.kind = OneofName(layer);
  if (layer.has_activation()) {
    node.activation = Registry<Activation>::Get().Create(*layer.mutable_activation(), errors.At("activation"));
    node.activation_kind = OneofName(layer.activation());
    ok = node.activation != nullptr;
  }
  if (!node.kind.empty() || !layer.has_activation()) {
    node.layer = Registry<Layer>::Get().Create(layer, errors);
    ok &= node.layer != nullptr;
  } else {
    node.kind = node.activation_kind;
  }
  if (node.layer && node.activation && node.activation->pieces() > 1 && !node.layer->Widen(node.activation->pieces())) {
    errors.At("activation").At(node.activation_kind).Add("goes with dense or conv2d, or is a layer of its own");
    ok = false;
  }
  if (layer.unregularized() && layer.regularizers_size() > 0) {
    errors.At("unregularized").Add("contradicts the layer's regularizers");
    ok = false;
  }
  if (layer.regularizers_size() > 0) {
    node.penalties = SumOf(*layer.mutable_regularizers(), errors);
  } else if (!layer.unregularized()) {
    node.penalties = network_penalties;
  }
  return ok;
}

// Shapes, parameters and costs. False after a violation.
bool InferNode(const FieldErrors& errors, Node& node) {
  const int before = errors.count();
  if (node.layer) {
    LayerShape shape = node.layer->Infer(node.input_shapes, errors.At(node.kind));
    node.pre_activation = std::move(shape.output);
    node.parameters = std::move(shape.parameters);
    node.forward_flops = shape.forward_flops;
  } else if (node.input_shapes.size() == 1) {
    node.pre_activation = node.input_shapes[0];
  } else {
    errors.At("inputs").Add("an activation reads one layer");
  }
  if (errors.count() > before) return false;
  node.output = node.pre_activation;
  if (node.activation) {
    LayerShape shape = node.activation->Infer({node.pre_activation}, errors.At("activation").At(node.activation_kind));
    node.output = std::move(shape.output);
    std::move(shape.parameters.begin(), shape.parameters.end(), std::back_inserter(node.parameters));
    node.forward_flops += shape.forward_flops;
  }
  if (errors.count() > before) return false;
  AssignGroups(node.parameters);
  if (CheckedElements(node.output, kMaxElements) < 1) {
    errors.Add(absl::StrCat("has an output of ", ToString(node.output), "; at most 2^31 values are supported"));
    return false;
  }
  return true;
}

}  // namespace

std::unique_ptr<Graph> Graph::Build(v1::Network& network, const FieldErrors& errors) {
  const int before = errors.count();
  const bool input_ok = CheckInputShape(network, errors);
  const GroupPenalties network_penalties = SumOf(*network.mutable_regularizers(), errors);
  if (network.layers().empty() || network.layers_size() > kMaxLayers) {
    errors.At("layers").Add(absl::StrCat("must be 1 to ", kMaxLayers, " layers"));
    return nullptr;
  }
  const auto inputs = ResolveInputs(network, errors);
  const std::vector<int> order = Order(inputs, errors);

  auto graph = std::make_unique<Graph>();
  graph->input_shape_.assign(network.input_shape().begin(), network.input_shape().end());
  // Where layer i of the list is in nodes_; layers with a violation have no node, and what reads them is checked only
  // as far as it can be without a shape.
  absl::flat_hash_map<int, int> node_of = {{Node::kNetworkInput, Node::kNetworkInput}};
  std::vector<bool> read(network.layers_size(), false);
  for (int i : order) {
    const FieldErrors at = errors.At("layers", i);
    Node node;
    bool ok = MakeNode(*network.mutable_layers(i), network_penalties, at, node) && inputs[i] && input_ok;
    for (int k : inputs[i].value_or(std::vector<int>{})) {
      if (k >= 0) read[k] = true;
      auto found = node_of.find(k);
      if (found == node_of.end()) {
        ok = false;
        continue;
      }
      node.inputs.push_back(found->second);
      node.input_shapes.push_back(found->second < 0 ? graph->input_shape_ : graph->nodes_[found->second].output);
    }
    if (!ok || !InferNode(at, node)) continue;
    node_of[i] = static_cast<int>(graph->nodes_.size());
    graph->nodes_.push_back(std::move(node));
  }
  const int last = network.layers_size() - 1;
  const bool inputs_known =
      static_cast<int>(order.size()) == network.layers_size() &&
      std::all_of(inputs.begin(), inputs.end(), [](const auto& list) { return list.has_value(); });
  for (int i = 0; i < last; ++i) {
    if (inputs_known && !read[i]) {
      errors.At("layers", i)
          .Add(absl::StrCat("no layer reads \"", network.layers(i).name(),
                            "\"; the network's output is the last layer of the list"));
    }
  }
  if (read[last]) errors.At("layers", last).Add("is the network's output and cannot be read by another layer");
  if (errors.count() > before) return nullptr;
  graph->output_ = node_of[last];
  return graph;
}

int64_t Graph::num_parameters() const {
  int64_t n = 0;
  for (const Node& node : nodes_) {
    for (const ParameterSpec& parameter : node.parameters) n += parameter.trained ? Elements(parameter.shape) : 0;
  }
  return n;
}

}  // namespace traind::core
