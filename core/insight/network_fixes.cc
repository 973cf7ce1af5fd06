// Changes of the network as it was submitted.
#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/kind.h"
#include "core/graph/parameter_rules.h"
#include "core/insight/fixes.h"
#include "core/kinds/initializer.h"

namespace traind::core {
namespace {

constexpr size_t kMostBytes = 16 << 10;  // Of a patch: findings are bounded, and so are events.
constexpr size_t kMostName = 128;        // Characters, of a layer.

// A list of layers: the network's, or one inside of a block.
class Layers {
 public:
  Layers(google::protobuf::Message& owner, const google::protobuf::FieldDescriptor& field)
      : owner_(&owner), field_(&field), fields_(owner.GetReflection()) {}
  bool operator==(const Layers& other) const { return owner_ == other.owner_ && field_ == other.field_; }

  int size() const { return fields_->FieldSize(*owner_, field_); }
  v1::Layer& operator[](int i) const {
    return static_cast<v1::Layer&>(*fields_->MutableRepeatedMessage(owner_, field_, i));
  }
  void Swap(int i, int k) const { fields_->SwapElements(owner_, field_, i, k); }
  void RemoveLast() const { fields_->RemoveLast(owner_, field_); }
  void Insert(int at, const v1::Layer& layer) const {
    static_cast<v1::Layer&>(*fields_->AddMessage(owner_, field_)) = layer;
    for (int i = size() - 1; i > at; --i) Swap(i, i - 1);
  }
  // Whether a layer of the list says by name that it reads this one.
  bool Names(const std::string& name) const {
    for (int i = 0; i < size(); ++i) {
      const auto& inputs = (*this)[i].inputs();
      if (std::find(inputs.begin(), inputs.end(), name) != inputs.end()) return true;
    }
    return false;
  }

 private:
  google::protobuf::Message* owner_;
  const google::protobuf::FieldDescriptor* field_;
  const google::protobuf::Reflection* fields_;
};

Layers LayersOf(v1::Network& network) {
  return {network, *v1::Network::descriptor()->FindFieldByNumber(v1::Network::kLayersFieldNumber)};
}

// Where a layer is written.
struct Place {
  Layers list;
  int index;

  v1::Layer& layer() const { return list[index]; }
};

using Visit = std::function<void(const std::string& name, Place place)>;

// The layers in a message: in its lists of layers, and in those of what it holds. Blocks nest 8 deep.
void VisitLayers(google::protobuf::Message& message, const std::string& prefix, const Visit& visit);

void VisitList(const Layers& list, const std::string& prefix, const Visit& visit) {
  for (int i = 0; i < list.size(); ++i) {
    v1::Layer& layer = list[i];
    visit(prefix + layer.name(), {.list = list, .index = i});
    if (!layer.has_block()) continue;
    v1::Block& block = *layer.mutable_block();
    const auto* kind = KindField(block);
    if (kind == nullptr || IsExtension(*kind)) continue;
    VisitLayers(*block.GetReflection()->MutableMessage(&block, kind), absl::StrCat(prefix, layer.name(), "."), visit);
  }
}

void VisitLayers(google::protobuf::Message& message, const std::string& prefix, const Visit& visit) {
  const google::protobuf::Reflection& fields = *message.GetReflection();
  std::vector<const google::protobuf::FieldDescriptor*> set;
  fields.ListFields(message, &set);
  for (const auto* field : set) {
    if (field->message_type() == nullptr || !field->is_repeated()) continue;
    if (field->message_type() == v1::Layer::descriptor()) {
      VisitList({message, *field}, prefix, visit);
      continue;
    }
    for (int i = 0; i < fields.FieldSize(message, field); ++i) {
      VisitLayers(*fields.MutableRepeatedMessage(&message, field, i), prefix, visit);
    }
  }
}

// Of this name in the graph; nullopt: it is written nowhere. A block has the name of its last layer, and is not meant.
std::optional<Place> PlaceOf(v1::Network& network, const std::string& name) {
  std::optional<Place> found;
  VisitList(LayersOf(network), "", [&](const std::string& full, Place place) {
    if (full == name && !place.layer().has_block()) found = place;
  });
  return found;
}

// Where the layer's kind says how its weight starts; null: nowhere.
v1::Initializer* WeightInitializer(const Node& node, v1::Layer& layer) {
  const auto* kind = KindField(layer);
  if (kind == nullptr || IsExtension(*kind)) return nullptr;
  google::protobuf::Message& config = *layer.GetReflection()->MutableMessage(&layer, kind);
  const auto* field = config.GetDescriptor()->FindFieldByName(std::string(TraitsOf(node).weight_initializer));
  if (field == nullptr || field->is_repeated() || field->message_type() != v1::Initializer::descriptor())
    return nullptr;
  return static_cast<v1::Initializer*>(config.GetReflection()->MutableMessage(&config, field));
}

// As the layer's activation wants it.
v1::Initializer SuitableFor(const Node& node) {
  v1::Initializer initializer;
  const bool squashes = node.activation_kind == "tanh" || node.activation_kind == "sigmoid";
  squashes ? static_cast<void>(initializer.mutable_xavier()) : static_cast<void>(initializer.mutable_kaiming());
  return initializer;
}

bool StartsWith(const Node& node, v1::Initializer initializer) {
  FieldErrors::Root none;
  Registry<Initializer>::Get().Create(initializer, none.scope());  // Fills the defaults in, as the graph has them.
  return std::any_of(node.parameters.begin(), node.parameters.end(), [&](const ParameterSpec& parameter) {
    return parameter.penalized && parameter.initializer.SerializeAsString() == initializer.SerializeAsString();
  });
}

// Leaves the bias of a layer out; false where its kind has no such field.
bool LeaveOutBias(v1::Layer& layer) {
  const auto* kind = KindField(layer);
  if (kind == nullptr || IsExtension(*kind)) return false;
  google::protobuf::Message& config = *layer.GetReflection()->MutableMessage(&layer, kind);
  const auto* field = config.GetDescriptor()->FindFieldByName("bias");
  if (field == nullptr || field->cpp_type() != google::protobuf::FieldDescriptor::CPPTYPE_BOOL) return false;
  config.GetReflection()->SetBool(&config, field, false);
  return true;
}

std::string FreshName(const Layers& list, const std::string& wanted) {
  std::set<std::string> taken;
  for (int i = 0; i < list.size(); ++i) taken.insert(list[i].name());
  std::string name = wanted;
  while (taken.count(name) > 0) name += "_";
  return name;
}

// Behind the place, with its activation; who read the layer reads this one. False: there is no name for it.
bool InsertBatchNorm(const Place& place) {
  v1::Layer& layer = place.layer();
  v1::Layer norm;
  norm.set_name(FreshName(place.list, layer.name() + "_norm"));
  if (norm.name().size() > kMostName) return false;
  norm.mutable_batch_norm();
  if (layer.has_activation()) *norm.mutable_activation() = layer.activation();
  layer.clear_activation();
  LeaveOutBias(layer);
  for (int i = 0; i < place.list.size(); ++i) {
    for (std::string& input : *place.list[i].mutable_inputs()) {
      if (input == layer.name()) input = norm.name();
    }
  }
  place.list.Insert(place.index + 1, norm);
  return true;
}

// Two neighbours that each read the one before.
bool SwapNeighbours(v1::Network& network, const std::string& first, const std::string& second) {
  const auto a = PlaceOf(network, first), b = PlaceOf(network, second);
  if (!a || !b || !(a->list == b->list) || b->index != a->index + 1) return false;
  const bool plain = a->layer().inputs().empty() && b->layer().inputs().empty() && !a->list.Names(a->layer().name()) &&
                     !a->list.Names(b->layer().name());
  if (plain) a->list.Swap(a->index, b->index);
  return plain;
}

// Whether the job is accepted with a batch normalization behind these layers, or none, and without their biases: false
// where its weights must fit the network, or where a rule over tensors would be left without any.
bool MayChangeTensors(const Facts& facts, const std::vector<const Node*>& without_bias) {
  const v1::JobSpec& given = *facts.given;
  if (given.has_initial_weights() && !given.initial_weights().allow_missing()) return false;
  const std::vector<int> deciding = DecidingRules(*facts.graph, given);
  std::set<int> before, after;
  size_t tensor = 0;
  for (const Node& node : facts.graph->nodes()) {
    const bool named = std::find(without_bias.begin(), without_bias.end(), &node) != without_bias.end();
    for (const ParameterSpec& parameter : node.parameters) {
      const int rule = deciding[tensor++];
      before.insert(rule);
      if (!named || parameter.group != v1::PARAMETER_GROUP_BIASES) after.insert(rule);
    }
  }
  return std::includes(after.begin(), after.end(), before.begin(), before.end());
}

bool PatchNetwork(bool changed, v1::Network network, Sighting& sighting) {
  if (changed) *Patch("network", sighting).mutable_network() = std::move(network);
  return changed;
}

}  // namespace

const v1::Network* GivenNetwork(const Facts& facts) {
  const bool small = facts.given != nullptr && facts.given->network().ByteSizeLong() <= kMostBytes;
  return small ? &facts.given->network() : nullptr;
}

void ForEachWritten(v1::Network& network,
                    const std::function<void(const std::string& name, v1::Layer& layer)>& change) {
  VisitList(LayersOf(network), "", [&](const std::string& name, Place place) { change(name, place.layer()); });
}

void PatchWithoutBias(const Facts& facts, const std::vector<const Node*>& layers, Sighting& sighting) {
  if (GivenNetwork(facts) == nullptr || !MayChangeTensors(facts, layers)) return;
  v1::Network network = *GivenNetwork(facts);
  bool changed = false;
  for (const Node* node : layers) {
    const auto place = PlaceOf(network, node->name);
    changed |= place.has_value() && LeaveOutBias(place->layer());
  }
  PatchNetwork(changed, std::move(network), sighting);
}

void PatchRelu(const Facts& facts, const std::vector<const Node*>& layers, Sighting& sighting) {
  if (GivenNetwork(facts) == nullptr) return;
  v1::Network network = *GivenNetwork(facts);
  const Graph& graph = *facts.graph;
  const Followers behind(graph);
  bool changed = false;
  for (const Node* node : layers) {
    for (auto i = static_cast<int>(node - graph.nodes().data()), k = i + 1;
         behind.batch_norm[i] && k < static_cast<int>(graph.nodes().size()); ++k) {
      const std::vector<int>& inputs = graph.nodes()[k].inputs;
      if (std::find(inputs.begin(), inputs.end(), i) != inputs.end()) node = &graph.nodes()[k];
    }
    const auto place = PlaceOf(network, node->name);
    if (!place || (place->layer().has_activation() && !place->layer().activation().has_identity())) continue;
    place->layer().mutable_activation()->mutable_relu();
    changed = true;
  }
  PatchNetwork(changed, std::move(network), sighting);
}

bool PatchInitializers(const Facts& facts, const std::vector<const Node*>& layers, Sighting& sighting) {
  if (GivenNetwork(facts) == nullptr) return false;
  v1::Network network = *GivenNetwork(facts);
  bool changed = false;
  for (const Node* node : layers) {
    const v1::Initializer wanted = SuitableFor(*node);
    if (StartsWith(*node, wanted)) continue;
    const auto place = PlaceOf(network, node->name);
    v1::Initializer* initializer = place ? WeightInitializer(*node, place->layer()) : nullptr;
    if (initializer == nullptr) continue;
    *initializer = wanted;
    changed = true;
  }
  return PatchNetwork(changed, std::move(network), sighting);
}

void PatchToLeakyRelu(const Facts& facts, const Node& layer, Sighting& sighting) {
  if (GivenNetwork(facts) == nullptr) return;
  v1::Network network = *GivenNetwork(facts);
  v1::Layer* own = nullptr;
  // The activation of a block is that of its last layer.
  ForEachWritten(network, [&](const std::string& name, v1::Layer& one) {
    if (name == layer.name) own = &one;
  });
  if (own == nullptr || !own->activation().has_relu()) return;
  own->mutable_activation()->mutable_leaky_relu();
  PatchNetwork(true, std::move(network), sighting);
}

bool PatchBatchNorms(const Facts& facts, Sighting& sighting) {
  constexpr int64_t kLeastBatch = 8;  // Below it batch_norm_small_batch warns.
  if (GivenNetwork(facts) == nullptr || facts.batch < kLeastBatch) return false;
  v1::Network network = *GivenNetwork(facts);
  const Graph& graph = *facts.graph;
  const Followers behind(graph);
  const int last = LastWithWeights(graph);
  std::vector<const Node*> changed;
  for (int i = 0; i < last; ++i) {
    const Node& node = graph.nodes()[i];
    const bool hidden = HasWeights(node) && !TraitsOf(node).weight_initializer.empty();
    if (!hidden || behind.batch_norm[i]) continue;
    const auto place = PlaceOf(network, node.name);
    if (place.has_value() && InsertBatchNorm(*place)) changed.push_back(&node);
  }
  return PatchNetwork(!changed.empty() && MayChangeTensors(facts, changed), std::move(network), sighting);
}

bool PatchFreeOutputs(const Facts& facts, Sighting& sighting) {
  if (GivenNetwork(facts) == nullptr) return false;
  v1::Network network = *GivenNetwork(facts);
  const auto place = PlaceOf(network, facts.graph->output().name);
  if (!place || !(place->list == LayersOf(network)) || place->index + 1 != place->list.size()) return false;
  v1::Layer& layer = place->layer();
  const bool alone = KindField(layer) == nullptr || TraitsOf(facts.graph->output()).makes_probabilities;
  if (!alone) {
    layer.clear_activation();
    return PatchNetwork(true, std::move(network), sighting);
  }
  if (place->index == 0) return false;  // What it reads is written nowhere.
  place->list.RemoveLast();
  return PatchNetwork(true, std::move(network), sighting);
}

void PatchDropout(const Facts& facts, double rate, Sighting& sighting) {
  if (GivenNetwork(facts) == nullptr) return;
  v1::Network network = *GivenNetwork(facts);
  bool changed = false;
  ForEachWritten(network, [&](const std::string&, v1::Layer& layer) {
    if (!layer.has_dropout() || layer.dropout().rate() <= rate) return;
    layer.mutable_dropout()->set_rate(rate);
    changed = true;
  });
  PatchNetwork(changed, std::move(network), sighting);
}

void PatchBehind(const Facts& facts, const std::vector<std::pair<const Node*, const Node*>>& pairs,
                 Sighting& sighting) {
  if (GivenNetwork(facts) == nullptr) return;
  v1::Network network = *GivenNetwork(facts);
  bool changed = false;
  for (const auto& [first, second] : pairs) changed |= SwapNeighbours(network, first->name, second->name);
  PatchNetwork(changed, std::move(network), sighting);
}

}  // namespace traind::core
