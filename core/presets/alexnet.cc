// AlexNet (Krizhevsky et al. 2012, slide 81): five convolutions, three dense layers. Pooling is max, 3x3 of stride 2.
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/kinds/checks.h"
#include "core/kinds/make_layers.h"
#include "core/kinds/preset.h"
#include "core/presets/dense_head.h"

namespace traind::core {
namespace {

class AlexnetNetwork final : public Preset {
 public:
  explicit AlexnetNetwork(const v1::AlexnetPreset& config) : config_(config) {}

  std::vector<v1::Layer> Layers(const std::optional<Shape>& /*input*/) const override {
    if (config_.torchvision()) return OneColumn();
    std::vector<v1::Layer> layers;
    const uint32_t width = config_.width();
    v1::Layer first = MakeConv("conv1", {.channels = width, .kernel = 11, .stride = 4});
    first.mutable_conv2d()->clear_padding();
    AddConv(1, std::move(first), layers);
    AddResponseNorm(1, layers);
    layers.push_back(MakeMaxPool("pool1", 3, 2));
    AddConv(2, Grouped(MakeConv("conv2", {.channels = width / 3 * 8, .kernel = 5})), layers);
    AddResponseNorm(2, layers);
    layers.push_back(MakeMaxPool("pool2", 3, 2));
    AddConv(3, MakeConv("conv3", {.channels = width * 4}), layers);
    AddConv(4, Grouped(MakeConv("conv4", {.channels = width * 4})), layers);
    AddConv(5, Grouped(MakeConv("conv5", {.channels = width / 3 * 8})), layers);
    layers.push_back(MakeMaxPool("pool5", 3, 2));
    AddDenseHead(config_, layers);
    return layers;
  }

 private:
  // Krizhevsky 2014, as torchvision has it.
  std::vector<v1::Layer> OneColumn() const {
    std::vector<v1::Layer> layers;
    v1::Layer first = MakeConv("conv1", {.channels = 64, .kernel = 11, .stride = 4});
    first.mutable_conv2d()->mutable_padding()->clear_amount();
    first.mutable_conv2d()->mutable_padding()->add_amount(2);
    AddConv(1, std::move(first), layers);
    layers.push_back(MakeMaxPool("pool1", 3, 2));
    AddConv(2, MakeConv("conv2", {.channels = 192, .kernel = 5}), layers);
    layers.push_back(MakeMaxPool("pool2", 3, 2));
    AddConv(3, MakeConv("conv3", {.channels = 384}), layers);
    AddConv(4, MakeConv("conv4", {.channels = 256}), layers);
    AddConv(5, MakeConv("conv5", {.channels = 256}), layers);
    layers.push_back(MakeMaxPool("pool5", 3, 2));
    AddDenseHead(config_, layers, /*dropout_first=*/true);
    return layers;
  }
  v1::Layer Grouped(v1::Layer conv) const {
    if (!config_.ungrouped()) conv.mutable_conv2d()->set_groups(2);
    return conv;
  }
  void AddConv(int i, v1::Layer conv, std::vector<v1::Layer>& layers) const {
    conv.mutable_conv2d()->set_bias(!config_.batch_norm());
    AddActivated(std::move(conv), config_.batch_norm() ? absl::StrCat("norm", i) : "", config_.activation(), layers);
  }
  void AddResponseNorm(int i, std::vector<v1::Layer>& layers) const {
    if (!config_.local_response_norm()) return;
    v1::Layer norm = MakeLocalResponseNorm(absl::StrCat("response_norm", i));
    v1::LocalResponseNorm& config = *norm.mutable_local_response_norm();
    config.set_k(2);
    config.set_alpha(5e-4);  // Over five channels: the paper's 1e-4 is not divided by them.
    layers.push_back(std::move(norm));
  }

  const v1::AlexnetPreset config_;
};

void RejectBesideTorchvision(const v1::AlexnetPreset& config, const FieldErrors& errors) {
  const auto reject = [&](bool set, const char* field) {
    if (set) errors.At(field).Add("contradicts torchvision, whose network has none of it to choose");
  };
  reject(config.has_width(), "width");
  reject(config.ungrouped(), "ungrouped");
  reject(config.batch_norm(), "batch_norm");
  reject(config.local_response_norm(), "local_response_norm");
}

const Registered<Preset, v1::AlexnetPreset> kAlexnet(
    "AlexNet (Krizhevsky et al. 2012, slide 81).",
    [](v1::AlexnetPreset& config, const FieldErrors& errors) -> std::unique_ptr<Preset> {
      const int before = errors.count();
      ResolveDenseHead(config, errors);
      if (config.torchvision()) RejectBesideTorchvision(config, errors);
      if (!config.has_width()) config.set_width(96);
      CheckMultiple(config.width(), 6, kMaxChannels / 4, errors.At("width"));
      if (config.batch_norm() && config.local_response_norm()) {
        errors.At("local_response_norm").Add("contradicts batch_norm, which takes its place");
      }
      return errors.count() > before ? nullptr : std::make_unique<AlexnetNetwork>(config);
    });

}  // namespace
}  // namespace traind::core
