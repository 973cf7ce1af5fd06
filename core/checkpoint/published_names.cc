#include "core/checkpoint/published_names.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace traind::core {
namespace {

using Renamed = std::optional<std::string>;

struct Pair {
  absl::string_view ours;
  absl::string_view theirs;
};

Renamed Lookup(absl::Span<const Pair> pairs, absl::string_view layer) {
  const auto found = std::find_if(pairs.begin(), pairs.end(), [&](const Pair& pair) { return pair.ours == layer; });
  return found == pairs.end() ? Renamed() : Renamed(found->theirs);
}

// The number behind `prefix`, at least 1; 0: `text` is not of this form.
int NumberBehind(absl::string_view text, absl::string_view prefix) {
  int number = 0;
  return absl::ConsumePrefix(&text, prefix) && absl::SimpleAtoi(text, &number) ? std::max(number, 0) : 0;
}

Renamed AlexnetLayer(absl::string_view layer) {
  static constexpr std::array<Pair, 8> kLayers = {{{"conv1", "features.0"},
                                                   {"conv2", "features.3"},
                                                   {"conv3", "features.6"},
                                                   {"conv4", "features.8"},
                                                   {"conv5", "features.10"},
                                                   {"fc6", "classifier.1"},
                                                   {"fc7", "classifier.4"},
                                                   {"fc8", "classifier.6"}}};
  return Lookup(kLayers, layer);
}

// Convolutions, batch norms, relus and poolings are counted in one row.
Renamed Vgg16Layer(absl::string_view layer, bool batch_norm, bool timm) {
  static constexpr std::array<Pair, 3> kDense = {
      {{"fc6", "classifier.0"}, {"fc7", "classifier.3"}, {"fc8", "classifier.6"}}};
  static constexpr std::array<Pair, 3> kTimmDense = {
      {{"fc6", "pre_logits.fc1"}, {"fc7", "pre_logits.fc2"}, {"fc8", "head.fc"}}};
  constexpr std::array<int, 5> kConvs = {2, 2, 3, 3, 3};
  if (const Renamed dense = Lookup(timm ? kTimmDense : kDense, layer)) return dense;
  int place = 0;
  for (size_t stage = 0; stage < kConvs.size(); ++stage, ++place) {
    for (int i = 1; i <= kConvs[stage]; ++i, place += batch_norm ? 3 : 2) {
      const std::string number = absl::StrCat(stage + 1, "_", i);
      if (layer == absl::StrCat("conv", number)) return absl::StrCat("features.", place);
      if (batch_norm && layer == absl::StrCat("norm", number)) return absl::StrCat("features.", place + 1);
    }
  }
  return std::nullopt;
}

Renamed ResnetLayer(absl::string_view layer) {
  static constexpr std::array<Pair, 3> kEnds = {{{"conv1", "conv1"}, {"norm1", "bn1"}, {"logits", "fc"}}};
  static constexpr std::array<Pair, 8> kInBlock = {{{"conv1", "conv1"},
                                                    {"conv2", "conv2"},
                                                    {"conv3", "conv3"},
                                                    {"norm1", "bn1"},
                                                    {"norm2", "bn2"},
                                                    {"norm3", "bn3"},
                                                    {"shortcut", "downsample.0"},
                                                    {"shortcut_norm", "downsample.1"}}};
  const std::vector<absl::string_view> parts = absl::StrSplit(layer, '.');
  if (parts.size() == 1) return Lookup(kEnds, layer);
  if (parts.size() != 3) return std::nullopt;
  const int stage = NumberBehind(parts[0], "stage"), block = NumberBehind(parts[1], "block");
  const Renamed inside = Lookup(kInBlock, parts[2]);
  if (stage == 0 || block == 0 || !inside) return std::nullopt;
  return absl::StrCat("layer", stage, ".", block - 1, ".", *inside);
}

Renamed DensenetLayer(absl::string_view layer) {
  static constexpr std::array<Pair, 4> kEnds = {
      {{"conv1", "features.conv0"}, {"norm1", "features.norm0"}, {"norm", "features.norm5"}, {"logits", "classifier"}}};
  static constexpr std::array<Pair, 4> kInBlock = {
      {{"norm", "norm1"}, {"reduce", "conv1"}, {"reduce_norm", "norm2"}, {"conv", "conv2"}}};
  const std::vector<absl::string_view> parts = absl::StrSplit(layer, '.');
  if (parts.size() == 1) return Lookup(kEnds, layer);
  if (parts.size() != 2) return std::nullopt;
  if (const int transition = NumberBehind(parts[0], "transition"); transition > 0) {
    const bool known = parts[1] == "norm" || parts[1] == "conv";
    return known ? Renamed(absl::StrCat("features.transition", transition, ".", parts[1])) : std::nullopt;
  }
  const int block = NumberBehind(parts[0], "dense");
  for (const Pair& pair : kInBlock) {
    const int number = NumberBehind(parts[1], pair.ours);
    if (block > 0 && number > 0) {
      return absl::StrCat("features.denseblock", block, ".denselayer", number, ".", pair.theirs);
    }
  }
  return std::nullopt;
}

}  // namespace

PublishedNames::PublishedNames(absl::Span<const std::string> network, v1::InitialWeights::Names names) {
  if (names != v1::InitialWeights::NAMES_TORCHVISION && names != v1::InitialWeights::NAMES_TIMM) return;
  timm_ = names == v1::InitialWeights::NAMES_TIMM;
  const auto has = [&](absl::string_view name) {
    return std::find(network.begin(), network.end(), name) != network.end();
  };
  if (has("stage1.block1.conv1.weight")) {
    family_ = Family::kResnet;
  } else if (has("dense1.conv1.weight")) {
    family_ = Family::kDensenet;
  } else if (has("conv1_1.weight")) {
    family_ = Family::kVgg16;
    batch_norm_ = has("norm1_1.weight");
  } else if (has("conv1.weight") && has("conv5.weight") && !timm_) {
    family_ = Family::kAlexnet;  // timm has none.
  }
}

Renamed PublishedNames::Of(absl::string_view tensor) const {
  const size_t dot = tensor.rfind('.');
  if (dot == absl::string_view::npos) return std::nullopt;
  const absl::string_view layer = tensor.substr(0, dot);
  Renamed renamed;
  switch (family_) {
    case Family::kNone:
      break;
    case Family::kAlexnet:
      renamed = AlexnetLayer(layer);
      break;
    case Family::kVgg16:
      renamed = Vgg16Layer(layer, batch_norm_, timm_);
      break;
    case Family::kResnet:
      renamed = ResnetLayer(layer);
      break;
    case Family::kDensenet:
      renamed = DensenetLayer(layer);
      break;
  }
  if (renamed) absl::StrAppend(&*renamed, tensor.substr(dot));
  return renamed;
}

}  // namespace traind::core
