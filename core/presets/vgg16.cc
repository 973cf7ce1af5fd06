// VGG-16 (Simonyan & Zisserman 2015, slide 81): thirteen 3x3 convolutions in five stages, three dense layers. With
// batch norm the convolutions keep their biases, as in the published weights.
#include <algorithm>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "core/kinds/checks.h"
#include "core/kinds/make_layers.h"
#include "core/kinds/preset.h"
#include "core/presets/dense_head.h"

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
        AddActivated(MakeConv("conv" + number, {.channels = channels, .bias = true}),
                     config_.batch_norm() ? "norm" + number : "", config_.activation(), layers);
      }
      layers.push_back(MakeMaxPool(absl::StrCat("pool", stage), 2, 2));
    }
    AddDenseHead(config_, layers);
    return layers;
  }

 private:
  const v1::Vgg16Preset config_;
};

const Registered<Preset, v1::Vgg16Preset> kVgg16("VGG-16 (Simonyan & Zisserman 2015, slide 81).",
                                                 [](v1::Vgg16Preset& config,
                                                    const FieldErrors& errors) -> std::unique_ptr<Preset> {
                                                   const int before = errors.count();
                                                   ResolveDenseHead(config, errors);
                                                   if (!config.has_width()) config.set_width(64);
                                                   CheckCount(config.width(), 1, kMaxChannels / 8, errors.At("width"));
                                                   return errors.count() > before
                                                              ? nullptr
                                                              : std::make_unique<Vgg16Network>(config);
                                                 });

}  // namespace
}  // namespace traind::core
