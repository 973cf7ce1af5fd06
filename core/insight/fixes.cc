#include "core/insight/fixes.h"

#include <algorithm>

namespace traind::core {
namespace {

constexpr size_t kMostBytes = 16 << 10;  // Of a patch: findings are bounded, and so are events.

v1::JobSpec& Patch(const std::string& path, Sighting& sighting) {
  sighting.finding.mutable_fix()->mutable_mask()->add_paths(path);
  return *sighting.finding.mutable_fix()->mutable_patch();
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
void Suit(const Node& node, v1::Initializer& initializer) {
  initializer.Clear();
  const bool squashes = node.activation_kind == "tanh" || node.activation_kind == "sigmoid";
  squashes ? static_cast<void>(initializer.mutable_xavier()) : static_cast<void>(initializer.mutable_kaiming());
}

}  // namespace

void PatchInitializers(const Facts& facts, const std::vector<const Node*>& layers, Sighting& sighting) {
  if (facts.given == nullptr || facts.given->network().ByteSizeLong() > kMostBytes) return;
  v1::Network network = facts.given->network();
  bool changed = false;
  for (v1::Layer& layer : *network.mutable_layers()) {
    const auto node = std::find_if(layers.begin(), layers.end(),
                                   [&](const Node* one) { return one->name == layer.name() && !layer.has_block(); });
    v1::Initializer* initializer = node == layers.end() ? nullptr : WeightInitializer(**node, layer);
    if (initializer == nullptr) continue;
    Suit(**node, *initializer);
    changed = true;
  }
  if (changed) *Patch("network", sighting).mutable_network() = std::move(network);
}

void PatchToLeakyRelu(const Facts& facts, const Node& layer, Sighting& sighting) {
  if (facts.given == nullptr || facts.given->network().ByteSizeLong() > kMostBytes) return;
  v1::Network network = facts.given->network();
  const auto own = std::find_if(network.mutable_layers()->begin(), network.mutable_layers()->end(),
                                [&](const v1::Layer& one) { return one.name() == layer.name; });
  if (own == network.mutable_layers()->end() || !own->activation().has_relu()) return;
  own->mutable_activation()->mutable_leaky_relu();
  *Patch("network", sighting).mutable_network() = std::move(network);
}

void PatchRate(const Facts& facts, double factor, Sighting& sighting) {
  if (facts.spec == nullptr) return;
  const double rate = facts.spec->optimizer().learning_rate() * factor;
  Patch("optimizer.learning_rate", sighting).mutable_optimizer()->set_learning_rate(rate);
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
