// LeNet-5 as it is taught (LeCun et al. 1998): 5x5 convolutions to 6 and 16 channels with 2x2 average pooling, dense
// layers of 120 and 84. Images below 32 pixels are padded by 2, as those of MNIST are.
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/kinds/checks.h"
#include "core/kinds/make_layers.h"
#include "core/kinds/preset.h"

namespace traind::core {
namespace {

class LenetNetwork final : public Preset {
 public:
  explicit LenetNetwork(const v1::LenetPreset& config) : config_(config) {}

  std::vector<v1::Layer> Layers(const std::optional<Shape>& input) const override {
    const bool pad = input && input->size() == 3 && (*input)[1] < 32;
    const bool bias = !config_.batch_norm();
    std::vector<v1::Layer> layers;
    v1::Layer conv1 = MakeConv("conv1", {.channels = 6, .kernel = 5, .bias = bias});
    if (!pad) conv1.mutable_conv2d()->clear_padding();
    v1::Layer conv2 = MakeConv("conv2", {.channels = 16, .kernel = 5, .bias = bias});
    conv2.mutable_conv2d()->clear_padding();
    Add(std::move(conv1), "norm1", layers);
    layers.push_back(MakeAvgPool("pool1", 2));
    Add(std::move(conv2), "norm2", layers);
    layers.push_back(MakeAvgPool("pool2", 2));
    Add(MakeDense("fc1", 120, bias), "norm3", layers);
    Add(MakeDense("fc2", 84, bias), "norm4", layers);
    layers.push_back(MakeDense("logits", config_.classes()));
    return layers;
  }

 private:
  // With batch norm, which takes the place of the layer's bias.
  void Add(v1::Layer layer, const std::string& norm, std::vector<v1::Layer>& layers) const {
    AddActivated(std::move(layer), config_.batch_norm() ? norm : "", config_.activation(), layers);
  }

  const v1::LenetPreset config_;
};

const Registered<Preset, v1::LenetPreset> kLenet(
    "LeNet-5 (LeCun et al. 1998).", [](v1::LenetPreset& config, const FieldErrors& errors) -> std::unique_ptr<Preset> {
      const int before = errors.count();
      CheckCount(config.classes(), 1, kMaxChannels, errors.At("classes"));
      if (config.activation().kind_case() == v1::Activation::KIND_NOT_SET) config.mutable_activation()->mutable_tanh();
      ResolveActivation(*config.mutable_activation(), errors.At("activation"));
      return errors.count() > before ? nullptr : std::make_unique<LenetNetwork>(config);
    });

}  // namespace
}  // namespace traind::core
