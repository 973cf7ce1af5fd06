#include "core/insight/fixes.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/base/kind.h"

namespace traind::core {
namespace {

constexpr size_t kMostBytes = 16 << 10;  // Of a patch: findings are bounded, and so are events.

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
void Suit(const Node& node, v1::Initializer& initializer) {
  initializer.Clear();
  const bool squashes = node.activation_kind == "tanh" || node.activation_kind == "sigmoid";
  squashes ? static_cast<void>(initializer.mutable_xavier()) : static_cast<void>(initializer.mutable_kaiming());
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

using Written = std::function<void(const std::string& name, v1::Layer& layer)>;

// The layers in a message: in its lists of layers, and in those of what it holds. Blocks nest 8 deep.
void VisitLayers(google::protobuf::Message& message, const std::string& prefix, const Written& change);

void VisitLayer(v1::Layer& layer, const std::string& prefix, const Written& change) {
  change(prefix + layer.name(), layer);
  if (!layer.has_block()) return;
  v1::Block& block = *layer.mutable_block();
  const auto* kind = KindField(block);
  if (kind == nullptr || IsExtension(*kind)) return;
  VisitLayers(*block.GetReflection()->MutableMessage(&block, kind), absl::StrCat(prefix, layer.name(), "."), change);
}

void VisitLayers(google::protobuf::Message& message, const std::string& prefix, const Written& change) {
  const google::protobuf::Reflection& fields = *message.GetReflection();
  std::vector<const google::protobuf::FieldDescriptor*> set;
  fields.ListFields(message, &set);
  for (const auto* field : set) {
    if (field->message_type() == nullptr || !field->is_repeated()) continue;
    for (int i = 0; i < fields.FieldSize(message, field); ++i) {
      google::protobuf::Message& one = *fields.MutableRepeatedMessage(&message, field, i);
      if (field->message_type() == v1::Layer::descriptor()) {
        VisitLayer(static_cast<v1::Layer&>(one), prefix, change);
      } else {
        VisitLayers(one, prefix, change);
      }
    }
  }
}

// Of this name in the graph; null: it is written nowhere. A block has the name of its last layer, and is not meant.
v1::Layer* LayerOf(v1::Network& network, const std::string& name) {
  v1::Layer* found = nullptr;
  ForEachWritten(network, [&](const std::string& full, v1::Layer& layer) {
    if (full == name && !layer.has_block()) found = &layer;
  });
  return found;
}

}  // namespace

void ForEachWritten(v1::Network& network, const Written& change) {
  for (v1::Layer& layer : *network.mutable_layers()) VisitLayer(layer, "", change);
}

v1::JobSpec& Patch(const std::string& path, Sighting& sighting) {
  sighting.finding.mutable_fix()->mutable_mask()->add_paths(path);
  return *sighting.finding.mutable_fix()->mutable_patch();
}

const v1::Network* GivenNetwork(const Facts& facts) {
  const bool small = facts.given != nullptr && facts.given->network().ByteSizeLong() <= kMostBytes;
  return small ? &facts.given->network() : nullptr;
}

void PatchWithoutBias(const Facts& facts, const std::vector<const Node*>& layers, Sighting& sighting) {
  if (GivenNetwork(facts) == nullptr) return;
  v1::Network network = *GivenNetwork(facts);
  bool changed = false;
  for (const Node* node : layers) {
    v1::Layer* layer = LayerOf(network, node->name);
    changed |= layer != nullptr && LeaveOutBias(*layer);
  }
  if (changed) *Patch("network", sighting).mutable_network() = std::move(network);
}

void PatchRelu(const Facts& facts, Sighting& sighting) {
  if (GivenNetwork(facts) == nullptr) return;
  v1::Network network = *GivenNetwork(facts);
  const Graph& graph = *facts.graph;
  const Followers behind(graph);
  const int last = LastWithWeights(graph);
  bool changed = false;
  for (int i = 0; i < last; ++i) {
    const Node* node = &graph.nodes()[i];
    if (!HasWeights(*node)) continue;
    for (int k = i + 1; behind.batch_norm[i] && k < last; ++k) {
      const std::vector<int>& inputs = graph.nodes()[k].inputs;
      if (std::find(inputs.begin(), inputs.end(), i) != inputs.end()) node = &graph.nodes()[k];
    }
    v1::Layer* layer = LayerOf(network, node->name);
    if (layer == nullptr || layer->has_activation()) continue;
    layer->mutable_activation()->mutable_relu();
    changed = true;
  }
  if (changed) *Patch("network", sighting).mutable_network() = std::move(network);
}

void PatchInitializers(const Facts& facts, const std::vector<const Node*>& layers, Sighting& sighting) {
  if (GivenNetwork(facts) == nullptr) return;
  v1::Network network = *GivenNetwork(facts);
  bool changed = false;
  for (const Node* node : layers) {
    v1::Layer* layer = LayerOf(network, node->name);
    v1::Initializer* initializer = layer == nullptr ? nullptr : WeightInitializer(*node, *layer);
    if (initializer == nullptr) continue;
    Suit(*node, *initializer);
    changed = true;
  }
  if (changed) *Patch("network", sighting).mutable_network() = std::move(network);
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
  *Patch("network", sighting).mutable_network() = std::move(network);
}

void PatchRate(const Facts& facts, double factor, Sighting& sighting) {
  if (facts.spec == nullptr) return;
  // Three digits, as a person would write it.
  double rate = facts.spec->optimizer().learning_rate() * factor;
  if (!absl::SimpleAtod(absl::StrFormat("%.3g", rate), &rate)) return;
  Patch("optimizer.learning_rate", sighting).mutable_optimizer()->set_learning_rate(rate);
  // The resolved rate is scaled already: in the mask and not in the patch, the scaling goes.
  if (facts.given != nullptr && facts.given->optimizer().has_batch_scaling()) {
    Patch("optimizer.batch_scaling", sighting);
  }
}

void PatchClipping(const Facts& facts, double norm, Sighting& sighting) {
  if (facts.spec == nullptr || facts.spec->optimizer().clip_norm() > 0) return;
  Patch("optimizer.clip_norm", sighting).mutable_optimizer()->set_clip_norm(norm);
}

void PatchStandardize(const Facts& facts, Sighting& sighting) {
  if (facts.given == nullptr) return;
  v1::JobSpec& patch = Patch("data.preprocessing", sighting);
  *patch.mutable_data()->mutable_preprocessing() = facts.given->data().preprocessing();
  patch.mutable_data()->add_preprocessing()->mutable_standardize();
}

void PatchCosine(const Facts& facts, Sighting& sighting) {
  if (facts.given == nullptr || facts.given->optimizer().has_schedule()) return;
  Patch("optimizer.schedule", sighting).mutable_optimizer()->mutable_schedule()->mutable_cosine();
}

void PatchEarlyStopping(const Facts& facts, Sighting& sighting) {
  constexpr uint32_t kPatience = 3;  // Evaluations.
  if (facts.given == nullptr || facts.given->has_early_stopping() || facts.given->has_lottery_ticket()) return;
  v1::EarlyStopping& stopping = *Patch("early_stopping", sighting).mutable_early_stopping();
  stopping.set_patience(kPatience);
  stopping.set_restore_best(true);
}

void PatchPrefetch(const Facts& facts, Sighting& sighting) {
  constexpr uint32_t kMostThreads = 64;
  if (facts.spec == nullptr) return;
  const uint32_t threads = std::min(kMostThreads, 2 * std::max(1u, facts.spec->data().prefetch_threads()));
  Patch("data.prefetch_threads", sighting).mutable_data()->set_prefetch_threads(threads);
}

}  // namespace traind::core
