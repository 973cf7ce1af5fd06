// DenseNet (Huang et al. 2017, slide 34). For CIFAR: a 3x3 convolution to 16 channels (twice the growth with
// bottleneck), three dense blocks of n layers with transitions between them; depth 3 n + 4, with bottleneck 6 n + 4.
// For ImageNet: a 7x7 convolution of stride 2, batch norm and max pooling, four dense blocks.
#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/kinds/checks.h"
#include "core/kinds/make_layers.h"
#include "core/kinds/preset.h"

namespace traind::core {
namespace {

// Far more than in any published network.
constexpr uint32_t kMaxDensenetDepth = 1000;
constexpr uint32_t kMaxGrowth = 1024;

// What a depth for ImageNet stands for (table 1 of the paper; 161 is torchvision's).
struct ImagenetDesign {
  uint32_t depth;
  std::array<uint32_t, 4> blocks;  // Layers of each.
  uint32_t growth = 32;
};

const ImagenetDesign* FindImagenetDesign(uint32_t depth) {
  static constexpr std::array<ImagenetDesign, 4> kDesigns = {
      {{121, {6, 12, 24, 16}}, {161, {6, 12, 36, 24}, /*growth=*/48}, {169, {6, 12, 32, 32}}, {201, {6, 12, 48, 32}}}};
  const auto found =
      std::find_if(kDesigns.begin(), kDesigns.end(), [&](const auto& design) { return design.depth == depth; });
  return found == kDesigns.end() ? nullptr : &*found;
}

bool IsForImagenet(const v1::DensenetPreset& config) { return config.stem() == v1::DensenetPreset::STEM_IMAGENET; }

class DensenetNetwork final : public Preset {
 public:
  explicit DensenetNetwork(const v1::DensenetPreset& config) : config_(config) {}

  std::vector<v1::Layer> Layers(const std::optional<Shape>& /*input*/) const override {
    std::vector<v1::Layer> layers = Stem();
    const std::vector<uint32_t> blocks = Blocks();
    for (size_t i = 1; i <= blocks.size(); ++i) {
      v1::Layer dense = Named(absl::StrCat("dense", i));
      v1::DenseBlock& block = *dense.mutable_block()->mutable_dense_block();
      block.set_layers(blocks[i - 1]);
      block.set_growth(config_.growth());
      block.set_bottleneck(config_.bottleneck());
      block.set_dropout(config_.dropout());
      *block.mutable_activation() = config_.activation();
      layers.push_back(std::move(dense));
      if (i == blocks.size()) break;
      v1::Layer between = Named(absl::StrCat("transition", i));
      v1::Transition& transition = *between.mutable_block()->mutable_transition();
      transition.set_compression(config_.compression());
      transition.set_dropout(config_.dropout());
      *transition.mutable_activation() = config_.activation();
      layers.push_back(std::move(between));
    }
    layers.push_back(With(MakeBatchNorm("norm"), config_.activation()));
    layers.push_back(MakeGlobalAvgPool("pool"));
    layers.push_back(MakeDense("logits", config_.classes()));
    return layers;
  }

 private:
  std::vector<v1::Layer> Stem() const {
    const uint32_t channels = config_.bottleneck() ? 2 * config_.growth() : 16;
    if (!IsForImagenet(config_)) return {MakeConv("conv1", {.channels = channels})};
    return {MakeConv("conv1", {.channels = channels, .kernel = 7, .stride = 2}),
            With(MakeBatchNorm("norm1"), config_.activation()), MakeMaxPool("pool1", 3, 2, 1)};
  }

  std::vector<uint32_t> Blocks() const {
    if (const auto* design = IsForImagenet(config_) ? FindImagenetDesign(config_.depth()) : nullptr) {
      return {design->blocks.begin(), design->blocks.end()};
    }
    return std::vector<uint32_t>(3, (config_.depth() - 4) / (config_.bottleneck() ? 6 : 3));
  }

  const v1::DensenetPreset config_;
};

void ResolveForImagenet(v1::DensenetPreset& config, const FieldErrors& errors) {
  config.set_bottleneck(true);
  if (!config.has_depth()) config.set_depth(121);
  const ImagenetDesign* design = FindImagenetDesign(config.depth());
  if (design == nullptr) {
    errors.At("depth").Add(absl::StrCat("must be 121, 161, 169 or 201 with the stem IMAGENET, not ", config.depth()));
  } else if (!config.has_growth()) {
    config.set_growth(design->growth);
  }
}

void ResolveForCifar(v1::DensenetPreset& config, const FieldErrors& errors) {
  if (!config.has_depth()) config.set_depth(40);
  const uint32_t each = config.bottleneck() ? 6 : 3;
  if (config.depth() < each + 4 || config.depth() > kMaxDensenetDepth || (config.depth() - 4) % each != 0) {
    errors.At("depth").Add(absl::StrCat("must be ", each, " n + 4, from ", each + 4, " to ", kMaxDensenetDepth,
                                        ", not ", config.depth(), "; for ImageNet's say stem: IMAGENET"));
  }
  if (!config.has_growth()) config.set_growth(12);
}

const Registered<Preset, v1::DensenetPreset> kDensenet(
    "DenseNet (Huang et al. 2017, slide 34), for CIFAR or for ImageNet.",
    [](v1::DensenetPreset& config, const FieldErrors& errors) -> std::unique_ptr<Preset> {
      const int before = errors.count();
      CheckCount(config.classes(), 1, kMaxChannels, errors.At("classes"));
      if (!v1::DensenetPreset::Stem_IsValid(config.stem())) errors.At("stem").Add("must be CIFAR or IMAGENET");
      IsForImagenet(config) ? ResolveForImagenet(config, errors) : ResolveForCifar(config, errors);
      CheckCount(config.growth(), 1, kMaxGrowth, errors.At("growth"));
      if (!config.has_compression()) config.set_compression(config.bottleneck() ? 0.5 : 1);
      CheckShare(config.compression(), errors.At("compression"));
      CheckRate(config.dropout(), errors.At("dropout"));
      ResolveActivation(*config.mutable_activation(), errors.At("activation"));
      return errors.count() > before ? nullptr : std::make_unique<DensenetNetwork>(config);
    });

}  // namespace
}  // namespace traind::core
