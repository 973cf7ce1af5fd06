// DenseNet for CIFAR (Huang et al. 2017, slide 34): a 3x3 convolution to 16 channels (twice the growth with
// bottleneck), three dense blocks of n layers with transitions between them; depth 3 n + 4, with bottleneck 6 n + 4.
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

class DensenetNetwork final : public Preset {
 public:
  explicit DensenetNetwork(const v1::DensenetPreset& config) : config_(config) {}

  std::vector<v1::Layer> Layers(const std::optional<Shape>& /*input*/) const override {
    const uint32_t stem = config_.bottleneck() ? 2 * config_.growth() : 16;
    std::vector<v1::Layer> layers = {MakeConv("conv1", {.channels = stem})};
    for (int i = 1; i <= 3; ++i) {
      v1::Layer dense = Named(absl::StrCat("dense", i));
      v1::DenseBlock& block = *dense.mutable_block()->mutable_dense_block();
      block.set_layers((config_.depth() - 4) / (config_.bottleneck() ? 6 : 3));
      block.set_growth(config_.growth());
      block.set_bottleneck(config_.bottleneck());
      block.set_dropout(config_.dropout());
      *block.mutable_activation() = config_.activation();
      layers.push_back(std::move(dense));
      if (i == 3) break;
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
  const v1::DensenetPreset config_;
};

const Registered<Preset, v1::DensenetPreset> kDensenet(
    "DenseNet for CIFAR (Huang et al. 2017, slide 34).",
    [](v1::DensenetPreset& config, const FieldErrors& errors) -> std::unique_ptr<Preset> {
      const int before = errors.count();
      CheckCount(config.classes(), 1, kMaxChannels, errors.At("classes"));
      if (!config.has_depth()) config.set_depth(40);
      const uint32_t each = config.bottleneck() ? 6 : 3;
      if (config.depth() < each + 4 || config.depth() > kMaxDensenetDepth || (config.depth() - 4) % each != 0) {
        errors.At("depth").Add(absl::StrCat("must be ", each, " n + 4, from ", each + 4, " to ", kMaxDensenetDepth,
                                            ", not ", config.depth()));
      }
      if (!config.has_growth()) config.set_growth(12);
      CheckCount(config.growth(), 1, kMaxGrowth, errors.At("growth"));
      if (!config.has_compression()) config.set_compression(config.bottleneck() ? 0.5 : 1);
      CheckShare(config.compression(), errors.At("compression"));
      CheckRate(config.dropout(), errors.At("dropout"));
      ResolveActivation(*config.mutable_activation(), errors.At("activation"));
      return errors.count() > before ? nullptr : std::make_unique<DensenetNetwork>(config);
    });

}  // namespace
}  // namespace traind::core
