// VGG-16 (Simonyan & Zisserman 2015, slide 81): thirteen 3x3 convolutions in five stages, three dense layers. With
// batch norm the convolutions keep their biases, as in the published weights.
#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/kinds/checks.h"
#include "core/kinds/make_layers.h"
#include "core/kinds/preset.h"

namespace traind::core {
namespace {

class Vgg16Network final : public Preset {
 public:
  explicit Vgg16Network(const v1::Vgg16Preset& config) : config_(config) {}

  std::vector<v1::Layer> Layers(const std::optional<Shape>& /*input*/) const override {
    constexpr int kConvs[] = {2, 2, 3, 3, 3};
    std::vector<v1::Layer> layers;
    for (int stage = 1; stage <= 5; ++stage) {
      const uint32_t channels = config_.width() << std::min(stage - 1, 3);
      for (int i = 1; i <= kConvs[stage - 1]; ++i) {
        const std::string number = absl::StrCat(stage, "_", i);
        v1::Layer conv = MakeConv("conv" + number, {.channels = channels, .bias = true});
        if (!config_.batch_norm()) {
          layers.push_back(With(std::move(conv), config_.activation()));
          continue;
        }
        layers.push_back(std::move(conv));
        layers.push_back(With(MakeBatchNorm("norm" + number), config_.activation()));
      }
      layers.push_back(MakeMaxPool(absl::StrCat("pool", stage), 2, 2));
    }
    for (const char* number : {"6", "7"}) {
      if (config_.dense_width() == 0) break;
      layers.push_back(With(MakeDense(absl::StrCat("fc", number), config_.dense_width()), config_.activation()));
      if (config_.dropout() > 0) layers.push_back(MakeDropout(absl::StrCat("drop", number), config_.dropout()));
    }
    layers.push_back(MakeDense("fc8", config_.classes()));
    return layers;
  }

 private:
  const v1::Vgg16Preset config_;
};

const Registered<Preset, v1::Vgg16Preset> kVgg16(
    "VGG-16 (Simonyan & Zisserman 2015, slide 81).",
    [](v1::Vgg16Preset& config, const FieldErrors& errors) -> std::unique_ptr<Preset> {
      const int before = errors.count();
      CheckCount(config.classes(), 1, kMaxChannels, errors.At("classes"));
      ResolveActivation(*config.mutable_activation(), errors.At("activation"));
      if (!config.has_dropout()) config.set_dropout(0.5);
      CheckRate(config.dropout(), errors.At("dropout"));
      if (!config.has_width()) config.set_width(64);
      CheckCount(config.width(), 1, kMaxChannels / 8, errors.At("width"));
      if (!config.has_dense_width()) config.set_dense_width(4096);
      CheckCount(config.dense_width(), 0, kMaxChannels, errors.At("dense_width"));
      return errors.count() > before ? nullptr : std::make_unique<Vgg16Network>(config);
    });

}  // namespace
}  // namespace traind::core
