// Wide residual networks (Zagoruyko & Komodakis 2016, slide 34): three stages of n pre-activation blocks of width
// 16 k, 32 k, 64 k; depth 6 n + 4.
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

constexpr uint32_t kMaxWideResnetDepth = 1000;  // Far more than in any published network.

class WideResnetNetwork final : public Preset {
 public:
  explicit WideResnetNetwork(const v1::WideResnetPreset& config) : config_(config) {}

  std::vector<v1::Layer> Layers(const std::optional<Shape>& /*input*/) const override {
    std::vector<v1::Layer> layers = {MakeConv("conv1", {.channels = 16})};
    for (uint32_t stage = 0; stage < 3; ++stage) {
      for (uint32_t i = 0; i < (config_.depth() - 4) / 6; ++i) {
        v1::Layer layer = Named(absl::StrCat("stage", stage + 1, ".block", i + 1));
        v1::Residual& block = *layer.mutable_block()->mutable_residual();
        block.set_order(v1::Residual::ORDER_PRE_ACTIVATION);
        block.set_channels(config_.widen() * 16 << stage);
        block.set_stride(stage > 0 && i == 0 ? 2 : 1);
        block.set_dropout(config_.dropout());
        if (config_.fixup()) block.set_initialization(v1::Residual::INITIALIZATION_FIXUP);
        *block.mutable_activation() = config_.activation();
        layers.push_back(std::move(layer));
      }
    }
    AddResidualHead({.classes = config_.classes(),
                     .pre_activation = true,
                     .fixup = config_.fixup(),
                     .activation = config_.activation()},
                    layers);
    return layers;
  }

 private:
  const v1::WideResnetPreset config_;
};

const Registered<Preset, v1::WideResnetPreset> kWideResnet(
    "Wide residual networks for CIFAR (Zagoruyko & Komodakis 2016, slide 34).",
    [](v1::WideResnetPreset& config, const FieldErrors& errors) -> std::unique_ptr<Preset> {
      const int before = errors.count();
      CheckCount(config.classes(), 1, kMaxChannels, errors.At("classes"));
      if (!config.has_depth()) config.set_depth(28);
      if (config.depth() < 10 || config.depth() > kMaxWideResnetDepth || config.depth() % 6 != 4) {
        errors.At("depth").Add(absl::StrCat("must be 6 n + 4, from 10 to ", kMaxWideResnetDepth,
                                            " (10, 16, 22, 28, 40, ...), not ", config.depth()));
      }
      if (!config.has_widen()) config.set_widen(10);
      CheckCount(config.widen(), 1, kMaxChannels / 256, errors.At("widen"));
      CheckRate(config.dropout(), errors.At("dropout"));
      ResolveActivation(*config.mutable_activation(), errors.At("activation"));
      return errors.count() > before ? nullptr : std::make_unique<WideResnetNetwork>(config);
    });

}  // namespace
}  // namespace traind::core
