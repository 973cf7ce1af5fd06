// Residual networks (He et al. 2015 and 2016, slides 65-66, 82): a stem, stages of residual blocks of which each halves
// the image and doubles the channels, global average pooling, one dense layer.
#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/kinds/checks.h"
#include "core/kinds/make_layers.h"
#include "core/kinds/preset.h"
#include "core/presets/residual_head.h"

namespace traind::core {
namespace {

// The largest image that gets the small stem by itself.
constexpr int64_t kSmallImage = 64;

// What a depth stands for.
struct Design {
  uint32_t depth;
  std::vector<uint32_t> blocks;  // Of each stage.
  bool bottleneck = false;
  bool pre_activation = false;
};

const std::vector<Design>& Designs() {
  static const std::vector<Design> designs = {{18, {2, 2, 2, 2}},
                                              {34, {3, 4, 6, 3}},
                                              {50, {3, 4, 6, 3}, /*bottleneck=*/true},
                                              {101, {3, 4, 23, 3}, /*bottleneck=*/true},
                                              {152, {3, 8, 36, 3}, /*bottleneck=*/true},
                                              {20, {3, 3, 3}},
                                              {32, {5, 5, 5}},
                                              {44, {7, 7, 7}},
                                              {56, {9, 9, 9}},
                                              {110, {18, 18, 18}},
                                              {164, {18, 18, 18}, /*bottleneck=*/true, /*pre_activation=*/true}};
  return designs;
}

const Design* FindDesign(uint32_t depth) {
  const auto found =
      std::find_if(Designs().begin(), Designs().end(), [&](const Design& design) { return design.depth == depth; });
  return found == Designs().end() ? nullptr : &*found;
}

class ResnetNetwork final : public Preset {
 public:
  ResnetNetwork(const v1::ResnetPreset& config, const Design& design) : config_(config), design_(design) {}

  std::vector<v1::Layer> Layers(const std::optional<Shape>& input) const override {
    std::vector<v1::Layer> layers = Stem(input);
    uint32_t total = 0, before = 0;
    for (uint32_t blocks : design_.blocks) total += blocks;
    for (size_t stage = 0; stage < design_.blocks.size(); ++stage) {
      for (uint32_t i = 0; i < design_.blocks[stage]; ++i) {
        ++before;
        layers.push_back(Block(stage, i, Survival(before, total)));
      }
    }
    AddResidualHead({.classes = config_.classes(),
                     .pre_activation = design_.pre_activation,
                     .fixup = config_.fixup(),
                     .activation = config_.activation()},
                    layers);
    return layers;
  }

 private:
  std::vector<v1::Layer> Stem(const std::optional<Shape>& input) const {
    const bool image = input && input->size() == 3;
    const bool small_image = image && std::max((*input)[1], (*input)[2]) <= kSmallImage;
    const bool small = design_.blocks.size() == 3 || config_.stem() == v1::ResnetPreset::STEM_CIFAR ||
                       (config_.stem() == v1::ResnetPreset::STEM_UNSPECIFIED && small_image);
    std::vector<v1::Layer> layers = {
        MakeConv("conv1", {.channels = config_.width(), .kernel = small ? 3u : 7u, .stride = small ? 1u : 2u})};
    if (!design_.pre_activation) {
      v1::Layer norm =
          config_.fixup() ? MakeScalarAffine("bias1", /*weight=*/false, /*bias=*/true) : MakeBatchNorm("norm1");
      layers.push_back(With(std::move(norm), config_.activation()));
    }
    if (!small) layers.push_back(MakeMaxPool("pool1", 3, 2, 1));
    return layers;
  }

  v1::Layer Block(size_t stage, uint32_t i, double survival) const {
    v1::Layer layer = Named(absl::StrCat("stage", stage + 1, ".block", i + 1));
    v1::Residual& block = *layer.mutable_block()->mutable_residual();
    block.set_body(design_.bottleneck ? v1::Residual::BODY_BOTTLENECK : v1::Residual::BODY_BASIC);
    block.set_order(design_.pre_activation ? v1::Residual::ORDER_PRE_ACTIVATION : v1::Residual::ORDER_POST_ACTIVATION);
    block.set_channels((config_.width() << stage) * config_.widen());
    if (design_.bottleneck) block.set_expansion(4 / config_.widen());
    block.set_stride(stage > 0 && i == 0 ? 2 : 1);
    block.set_survival(survival);
    block.set_dropout(config_.dropout());
    *block.mutable_activation() = config_.activation();
    if (config_.fixup()) block.set_initialization(v1::Residual::INITIALIZATION_FIXUP);
    if (config_.zero_last()) block.set_initialization(v1::Residual::INITIALIZATION_ZERO_LAST);
    return layer;
  }

  // Of block `l` of `total`, from 1 (Huang et al. 2016, equation 4).
  double Survival(uint32_t l, uint32_t total) const {
    if (config_.constant_survival()) return config_.final_survival();
    return 1 - static_cast<double>(l) / total * (1 - config_.final_survival());
  }

  const v1::ResnetPreset config_;
  const Design& design_;
};

const Registered<Preset, v1::ResnetPreset> kResnet(
    "Residual networks (He et al. 2015 and 2016, slides 65-66, 82).",
    [](v1::ResnetPreset& config, const FieldErrors& errors) -> std::unique_ptr<Preset> {
      const int before = errors.count();
      CheckCount(config.classes(), 1, kMaxChannels, errors.At("classes"));
      const Design* design = FindDesign(config.depth());
      if (design == nullptr) {
        errors.At("depth").Add(
            absl::StrCat("must be 18, 34, 50, 101, 152, 20, 32, 44, 56, 110 or 164, not ", config.depth()));
      }
      const bool stages3 = design != nullptr && design->blocks.size() == 3;
      if (!v1::ResnetPreset::Stem_IsValid(config.stem())) errors.At("stem").Add("must be CIFAR or IMAGENET");
      if (stages3 && config.stem() == v1::ResnetPreset::STEM_IMAGENET) {
        errors.At("stem").Add(
            absl::StrCat("depth ", config.depth(), " is for CIFAR; IMAGENET goes with 18, 34, 50, 101 and 152"));
      }
      if (!config.has_width()) config.set_width(stages3 ? 16 : 64);
      CheckCount(config.width(), 1, kMaxChannels / 32, errors.At("width"));
      if (!config.has_widen()) config.set_widen(1);
      const uint32_t widen = config.widen();
      if (widen != 1 && widen != 2 && widen != 4) {
        errors.At("widen").Add(absl::StrCat("must be 1, 2 or 4, not ", widen));
      } else if (widen > 1 && design != nullptr && !design->bottleneck) {
        errors.At("widen").Add(absl::StrCat("is of bottlenecks, and depth ", config.depth(), " has none"));
      }
      ResolveActivation(*config.mutable_activation(), errors.At("activation"));
      CheckRate(config.dropout(), errors.At("dropout"));
      if (config.fixup() && config.zero_last()) {
        errors.At("zero_last").Add("contradicts fixup, which has no normalization");
      }
      if (!config.has_final_survival()) config.set_final_survival(1);
      CheckShare(config.final_survival(), errors.At("final_survival"));
      return errors.count() > before ? nullptr : std::make_unique<ResnetNetwork>(config, *design);
    });

}  // namespace
}  // namespace traind::core
