#include "core/graph/graph_builder.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace traind::core {
namespace {

// The API's most.
constexpr size_t kMaxName = 128;
constexpr int kMaxDepth = 8;  // Of blocks in blocks.
constexpr absl::string_view kMadeLayer = "its layer \"";

bool IsName(std::string_view name) {
  return !name.empty() && name.size() <= kMaxName && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return absl::ascii_isalnum(c) || c == '_' || c == '-' || c == '.';
  });
}

// Weights are what the layer says; the bias beside them is a bias; the shift of a normalization, also called "bias", is
// beside none.
void AssignGroups(std::vector<ParameterSpec>& parameters) {
  const bool weights = std::any_of(parameters.begin(), parameters.end(), [](const auto& p) { return p.penalized; });
  for (ParameterSpec& parameter : parameters) {
    const bool bias = weights && absl::EndsWith(parameter.name, "bias");
    parameter.group = parameter.penalized ? v1::PARAMETER_GROUP_WEIGHTS
                      : bias              ? v1::PARAMETER_GROUP_BIASES
                                          : v1::PARAMETER_GROUP_NORMALIZATION;
  }
}

// Shapes, parameters and costs. False after a violation.
bool InferNode(const v1::Layer& layer, const FieldErrors& errors, Node& node) {
  const int before = errors.count();
  if (node.layer) {
    if (node.layer->traits().reads_examples && node.inputs != std::vector<int>{Node::kNetworkInput}) {
      errors.At("inputs").Add("must be \"input\": this layer reads the examples as the dataset has them");
    }
    LayerShape shape = node.layer->Infer(node.input_shapes, AtKind(layer, errors));
    node.pre_activation = std::move(shape.output);
    node.parameters = std::move(shape.parameters);
    node.forward_flops = shape.forward_flops;
    node.convolution = shape.convolution;
  } else if (node.input_shapes.size() == 1) {
    node.pre_activation = node.input_shapes[0];
  } else {
    errors.At("inputs").Add("an activation reads one layer");
  }
  if (errors.count() > before) return false;
  node.output = node.pre_activation;
  if (node.activation) {
    LayerShape shape =
        node.activation->Infer({node.pre_activation}, AtKind(layer.activation(), errors.At("activation")));
    node.output = std::move(shape.output);
    std::move(shape.parameters.begin(), shape.parameters.end(), std::back_inserter(node.parameters));
    node.forward_flops += shape.forward_flops;
  }
  if (errors.count() > before) return false;
  AssignGroups(node.parameters);
  if (CheckedElements(node.output, GraphBuilder::kMaxElements) < 1) {
    errors.Add(absl::StrCat("has an output of ", ToString(node.output), "; at most 2^31 values are supported"));
    return false;
  }
  return true;
}

void CheckRegularizers(v1::Layer& layer, const FieldErrors& errors) {
  if (layer.unregularized() && layer.regularizers_size() > 0) {
    errors.At("unregularized").Add("contradicts the layer's regularizers");
  }
}

}  // namespace

int CountResidualBlocks(const LayerList& layers, int depth) {
  if (depth > kMaxDepth) return 0;  // The builder reports it.
  int count = 0;
  for (const v1::Layer& layer : layers) {
    if (!layer.has_block()) continue;
    FieldErrors::Root ignored;  // The same.
    v1::Block config = layer.block();
    const auto block = Registry<Block>::Get().Create(config, ignored.scope());
    if (block == nullptr) continue;
    count += block->is_residual() ? 1 : 0;
    for (const LayerList* written : block->written()) count += CountResidualBlocks(*written, depth + 1);
  }
  return count;
}

// --- Lists of layers.

GraphBuilder::Reads GraphBuilder::ResolveInputs(const LayerList& layers, const FieldErrors& errors) {
  absl::flat_hash_map<std::string, int> by_name = {{std::string(BlockBuilder::kInput), Node::kNetworkInput}};
  Reads reads{std::vector<std::vector<int>>(layers.size()), std::vector<bool>(layers.size(), true),
              std::vector<bool>(layers.size(), true)};
  for (int i = 0; i < layers.size(); ++i) {
    const std::string& name = layers[i].name();
    const FieldErrors at = errors.At("layers", i).At("name");
    if (!IsName(name)) {
      at.Add(absl::StrCat("must be 1 to ", kMaxName, " letters, digits, '_', '-' or '.'"));
    } else if (!by_name.emplace(name, i).second) {
      at.Add(name == BlockBuilder::kInput ? "\"input\" is what the first layer reads"
                                          : absl::StrCat("\"", name, "\" is the name of another layer"));
    } else {
      continue;
    }
    reads.named[i] = false;
  }
  for (int i = 0; i < layers.size(); ++i) {
    if (layers[i].inputs().empty()) reads.inputs[i] = {i - 1};  // The layer before, and before the first the input.
    for (int k = 0; k < layers[i].inputs_size(); ++k) {
      const auto found = by_name.find(layers[i].inputs(k));
      if (found == by_name.end()) {
        errors.At("layers", i).At("inputs", k).Add(absl::StrCat("there is no layer \"", layers[i].inputs(k), "\""));
        reads.known[i] = false;
        break;
      }
      reads.inputs[i].push_back(found->second);
    }
  }
  return reads;
}

// An order in which every layer comes after its inputs: passes over the list, each of which takes the layers whose
// inputs are taken by then. It is the list's own where that is one. Layers on a cycle, or behind one, are reported and
// left out.
std::vector<int> GraphBuilder::Order(const Reads& reads, const FieldErrors& errors) {
  const int count = static_cast<int>(reads.inputs.size());
  std::vector<std::vector<int>> readers(count);
  std::vector<int> missing(count), pass(count);  // Inputs that are not taken yet; the pass that takes the layer.
  std::vector<int> order;
  for (int i = 0; i < count; ++i) {
    for (int k : reads.inputs[i]) {
      if (k < 0 || !reads.known[i]) continue;
      readers[k].push_back(i);
      ++missing[i];
    }
    if (missing[i] == 0) order.push_back(i);
  }
  for (size_t n = 0; n < order.size(); ++n) {
    const int k = order[n];
    for (int i : readers[k]) {
      pass[i] = std::max(pass[i], pass[k] + (k > i ? 1 : 0));
      if (--missing[i] == 0) order.push_back(i);
    }
  }
  std::sort(order.begin(), order.end(), [&](int a, int b) { return std::pair(pass[a], a) < std::pair(pass[b], b); });
  for (int i = 0; i < count; ++i) {
    if (missing[i] > 0) errors.At("layers", i).At("inputs").Add("the layer reads its own output, by way of its inputs");
  }
  return order;
}

int GraphBuilder::AddList(LayerList& layers, const FieldErrors& errors, const List& list) {
  if (layers.size() > kMaxLayers) {  // Before anything that takes longer than to count them.
    errors.At("layers").Add(absl::StrCat("must be at most ", kMaxLayers, " layers"));
    return kUnknown;
  }
  const Reads reads = ResolveInputs(layers, errors);
  const std::vector<int> order = Order(reads, errors);
  std::vector<int> node_of(layers.size(), kUnknown);
  std::vector<bool> read(layers.size(), false);
  for (int i : order) {
    std::vector<int> inputs;
    for (int k : reads.inputs[i]) {
      if (k >= 0) read[k] = true;
      inputs.push_back(k < 0 ? list.input : node_of[k]);
    }
    if (!reads.known[i]) inputs = {kUnknown};
    const FieldErrors at = errors.At("layers", i);
    if (reads.named[i] && !TakeName(list.prefix + layers[i].name(), at.At("name"))) inputs = {kUnknown};
    node_of[i] = AddLayer(layers[i], at, inputs, list);
  }
  const int last = layers.size() - 1;
  const bool complete = static_cast<int>(order.size()) == layers.size() &&
                        std::all_of(reads.known.begin(), reads.known.end(), [](bool known) { return known; });
  for (int i = 0; i < last; ++i) {
    if (complete && !read[i]) {
      errors.At("layers", i)
          .Add(absl::StrCat("no layer reads \"", layers[i].name(), "\"; the output is the last layer of the list"));
    }
  }
  if (read[last]) errors.At("layers", last).Add("is the output and cannot be read by another layer");
  return node_of[last];
}

int GraphBuilder::AddNetwork(LayerList& layers, const FieldErrors& errors) { return AddList(layers, errors, List()); }

bool GraphBuilder::TakeName(const std::string& name, const FieldErrors& errors) {
  if (name.size() > kMaxName) {
    errors.Add(absl::StrCat("makes \"", name, "\" of ", name.size(), " characters; at most ", kMaxName));
  } else if (!names_.insert(name).second) {
    errors.Add(absl::StrCat("\"", name, "\" is the name of another layer"));
  } else {
    return true;
  }
  return false;
}

const Shape* GraphBuilder::ShapeOf(int node) const {
  if (node == kUnknown) return nullptr;
  return node == Node::kNetworkInput ? input_ : &nodes_[node].output;
}

// --- One layer.

int GraphBuilder::AddLayer(v1::Layer& layer, const FieldErrors& errors, const std::vector<int>& inputs,
                           const List& list) {
  if (full_) return kUnknown;
  if (static_cast<int>(nodes_.size()) == kMaxLayers) {
    errors.Add(absl::StrCat("is beyond the ", kMaxLayers, " layers that a network may have"));
    full_ = true;
    return kUnknown;
  }
  if (list.block != nullptr && layer.regularizers().empty() && !layer.unregularized()) {
    *layer.mutable_regularizers() = list.block->regularizers();
    layer.set_unregularized(list.block->unregularized());
  }
  return layer.has_block() ? AddBlock(layer, errors, inputs, list) : AddPlain(layer, errors, inputs, list);
}

// Makes the layer's components and checks everything about it but its shapes. False after a violation.
bool GraphBuilder::MakeNode(v1::Layer& layer, const FieldErrors& errors, Node& node) const {
  const int before = errors.count();
  node.kind = KindName(layer);
  if (layer.has_activation()) {
    node.activation = Registry<Activation>::Get().Create(*layer.mutable_activation(), errors.At("activation"));
    node.activation_kind = KindName(layer.activation());
  }
  if (!node.kind.empty() || !layer.has_activation()) {
    node.layer = Registry<Layer>::Get().Create(layer, errors);
  } else {
    node.kind = node.activation_kind;
  }
  if (node.layer && node.activation && node.activation->pieces() > 1 && !node.layer->Widen(node.activation->pieces())) {
    AtKind(layer.activation(), errors.At("activation"))
        .Add(absl::StrCat("does not go with ", node.kind, "; make it a layer of its own"));
  }
  CheckRegularizers(layer, errors);
  if (layer.regularizers_size() > 0) {
    node.penalties = SumOf(*layer.mutable_regularizers(), errors);
  } else if (!layer.unregularized()) {
    node.penalties = network_penalties_;
  }
  return errors.count() == before;
}

int GraphBuilder::AddPlain(v1::Layer& layer, const FieldErrors& errors, const std::vector<int>& inputs,
                           const List& list) {
  Node node;
  node.name = list.prefix + layer.name();
  if (!MakeNode(layer, errors, node)) return kUnknown;
  for (int input : inputs) {
    const Shape* shape = ShapeOf(input);
    if (shape == nullptr) return kUnknown;
    node.input_shapes.push_back(*shape);
  }
  node.inputs = inputs;
  if (!InferNode(layer, errors, node)) return kUnknown;
  // A parameter "out_proj.weight" would have the name of a layer's "weight" that is called "<name>.out_proj".
  std::string part;
  for (const ParameterSpec& parameter : node.parameters) {
    const std::string own = parameter.name.substr(0, std::min(parameter.name.rfind('.'), parameter.name.size()));
    if (own == parameter.name || own == part) continue;
    part = own;
    if (!TakeName(absl::StrCat(node.name, ".", part), errors.At("name"))) return kUnknown;
  }

  v1::Layer& plain = *expanded_.Add();
  plain = layer;
  plain.set_name(node.name);
  plain.clear_inputs();
  const int index = static_cast<int>(nodes_.size());
  if (inputs != std::vector<int>{index - 1}) {
    for (int input : inputs) {
      plain.add_inputs(input == Node::kNetworkInput ? std::string(BlockBuilder::kInput) : nodes_[input].name);
    }
  }
  nodes_.push_back(std::move(node));
  return index;
}

int GraphBuilder::AddMade(v1::Layer& layer, const FieldErrors& errors, const std::vector<int>& inputs,
                          const List& list) {
  FieldErrors::Root own;
  const int node = AddLayer(layer, own.scope(), inputs, list);
  for (const auto& violation : own.violations().field_violations()) {
    const std::string& field = violation.field();
    const bool nested = absl::StartsWith(violation.description(), kMadeLayer);
    errors.Add(nested ? violation.description()
                      : absl::StrCat(kMadeLayer, list.prefix, layer.name(), "\" ", field, field.empty() ? "" : " ",
                                     violation.description()));
  }
  return node;
}

// --- Blocks and presets.

class GraphBuilder::Expansion final : public BlockBuilder {
 public:
  // `errors` is where layers of the block's own making report; `activation` is the block's, or null.
  Expansion(GraphBuilder& graph, const FieldErrors& errors, List list, std::string name, const Activation* activation)
      : graph_(graph),
        errors_(errors),
        list_(std::move(list)),
        name_(std::move(name)),
        activation_(activation),
        last_(list_.input) {
    nodes_[std::string(kInput)] = list_.input;
  }

  const Shape* ShapeOf(std::string_view name) const override {
    const auto found = nodes_.find(name);
    return found == nodes_.end() ? nullptr : graph_.ShapeOf(found->second);
  }
  int residual_blocks() const override { return graph_.residual_blocks_; }

  void Add(v1::Layer layer) override {
    const std::vector<int> inputs = InputsOf(layer);
    const std::string name = layer.name();
    last_ = nodes_[name] = kUnknown;
    if (failed_) return;
    const int before = errors_.count();
    const bool free = graph_.TakeName(list_.prefix + name, errors_);
    last_ = nodes_[name] = free ? graph_.AddMade(layer, errors_, inputs, list_) : kUnknown;
    failed_ = errors_.count() > before;
  }

  void AddLast(v1::Layer layer) override {
    if (activation_ != nullptr && (layer.has_activation() || activation_->pieces() > 1)) {
      Add(std::move(layer));
      layer = {};
    }
    if (activation_ != nullptr) *layer.mutable_activation() = list_.block->activation();
    const std::vector<int> inputs = InputsOf(layer);
    List outside = list_;  // The block took its name when it began.
    outside.prefix.clear();
    layer.set_name(name_);
    last_ = failed_ ? kUnknown : graph_.AddMade(layer, errors_, inputs, outside);
  }

  std::string AddWritten(LayerList layers, const FieldErrors& errors) override {
    last_ = graph_.AddList(layers, errors, list_);
    const std::string name = layers.rbegin()->name();
    nodes_[name] = last_;
    return name;
  }

  int last() const { return last_; }

 private:
  std::vector<int> InputsOf(const v1::Layer& layer) const {
    if (layer.inputs().empty()) return {last_};
    std::vector<int> inputs;
    for (const std::string& name : layer.inputs()) {
      const auto found = nodes_.find(name);
      inputs.push_back(found == nodes_.end() ? kUnknown : found->second);
    }
    return inputs;
  }

  GraphBuilder& graph_;
  const FieldErrors errors_;
  const List list_;
  const std::string name_;
  const Activation* const activation_;
  std::map<std::string, int, std::less<>> nodes_;
  int last_;
  bool failed_ = false;  // The first layer that the block made and that does not fit says enough.
};

int GraphBuilder::AddBlock(v1::Layer& layer, const FieldErrors& errors, const std::vector<int>& inputs,
                           const List& list) {
  const int before = errors.count();
  has_blocks_ = true;
  const FieldErrors at = errors.At("block");
  const std::string other = KindName(layer);
  if (!other.empty()) at.Add(absl::StrCat("contradicts ", other, ": a layer has a kind or is a block"));
  if (list.depth == kMaxDepth) at.Add(absl::StrCat("blocks nest at most ", kMaxDepth, " deep"));
  if (inputs.size() != 1) errors.At("inputs").Add(absl::StrCat("a block reads one layer, not ", inputs.size()));
  std::unique_ptr<Activation> activation;
  if (layer.has_activation()) {
    activation = Registry<Activation>::Get().Create(*layer.mutable_activation(), errors.At("activation"));
  }
  CheckRegularizers(layer, errors);
  SumOf(*layer.mutable_regularizers(), errors);
  const std::unique_ptr<Block> block = Registry<Block>::Get().Create(*layer.mutable_block(), at);
  if (errors.count() > before) return kUnknown;

  const std::string name = list.prefix + layer.name();
  const FieldErrors config = AtKind(layer.block(), at);
  Expansion expansion(*this, config,
                      {.prefix = name + ".", .input = inputs[0], .block = &layer, .depth = list.depth + 1}, name,
                      activation.get());
  block->Expand(expansion, config);
  return expansion.last();
}

int GraphBuilder::AddPreset(std::vector<v1::Layer> layers, const FieldErrors& errors) {
  has_blocks_ = true;
  Expansion expansion(*this, errors, List(), "", nullptr);
  for (v1::Layer& layer : layers) expansion.Add(std::move(layer));
  return expansion.last();
}

}  // namespace traind::core
