// GoogLeNet (Szegedy et al. 2015, table 1; slide 82) without its auxiliary classifiers.
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/kinds/checks.h"
#include "core/kinds/make_layers.h"
#include "core/kinds/preset.h"

namespace traind::core {
namespace {

// Channels of the first convolution as published; those of all others are in proportion.
constexpr uint32_t kPublishedWidth = 64;

// Channels of the four branches: 1x1; 1x1 and 3x3; 1x1 and 5x5; pooling and 1x1.
struct Inception {
  const char* name;
  uint32_t one, reduce3, three, reduce5, five, pool;
};

constexpr Inception kInceptions[] = {
    {"3a", 64, 96, 128, 16, 32, 32},     {"3b", 128, 128, 192, 32, 96, 64},   {"4a", 192, 96, 208, 16, 48, 64},
    {"4b", 160, 112, 224, 24, 64, 64},   {"4c", 128, 128, 256, 24, 64, 64},   {"4d", 112, 144, 288, 32, 64, 64},
    {"4e", 256, 160, 320, 32, 128, 128}, {"5a", 256, 160, 320, 32, 128, 128}, {"5b", 384, 192, 384, 48, 128, 128}};

class GooglenetNetwork final : public Preset {
 public:
  explicit GooglenetNetwork(const v1::GooglenetPreset& config) : config_(config) {}

  std::vector<v1::Layer> Layers(const std::optional<Shape>& /*input*/) const override {
    std::vector<v1::Layer> layers;
    const auto append = [&](const std::vector<v1::Layer>& more) {
      layers.insert(layers.end(), more.begin(), more.end());
    };
    append(Conv("conv1", {.channels = 64, .kernel = 7, .stride = 2}));
    layers.push_back(Pool("pool1"));
    append(ResponseNorm("response_norm1"));
    append(Conv("conv2_reduce", {.channels = 64, .kernel = 1}));
    append(Conv("conv2", {.channels = 192, .kernel = 3}));
    append(ResponseNorm("response_norm2"));
    layers.push_back(Pool("pool2"));
    for (const Inception& inception : kInceptions) {
      const std::string name = inception.name;
      if (name == "4a") layers.push_back(Pool("pool3"));
      if (name == "5a") layers.push_back(Pool("pool4"));
      layers.push_back(Branches(inception));
    }
    layers.push_back(MakeGlobalAvgPool("pool5"));
    if (config_.dropout() > 0) layers.push_back(MakeDropout("drop", config_.dropout()));
    layers.push_back(MakeDense("logits", config_.classes()));
    return layers;
  }

 private:
  // A convolution, of as many channels as published for the published width, with batch norm, if there is one, and the
  // activation.
  std::vector<v1::Layer> Conv(const std::string& name, ConvOptions options) const {
    options.channels = options.channels * config_.width() / kPublishedWidth;
    options.bias = !config_.batch_norm();
    std::vector<v1::Layer> layers;
    AddActivated(MakeConv(name, options), config_.batch_norm() ? name + "_norm" : "", config_.activation(), layers);
    return layers;
  }

  // 3x3 of stride 2; of an even size the last window hangs over the edge by one.
  static v1::Layer Pool(const std::string& name) {
    v1::Layer pool = MakeMaxPool(name, 3, 2);
    pool.mutable_max_pool()->mutable_padding()->set_mode(v1::Padding::MODE_SAME);
    return pool;
  }

  std::vector<v1::Layer> ResponseNorm(const std::string& name) const {
    if (config_.batch_norm()) return {};
    return {MakeLocalResponseNorm(name)};
  }

  v1::Layer Branches(const Inception& inception) const {
    v1::Layer layer = Named(absl::StrCat("inception", inception.name));
    v1::Branches& branches = *layer.mutable_block()->mutable_branches();
    const auto add = [&](v1::Branch& branch, const std::vector<v1::Layer>& layers) {
      for (const v1::Layer& one : layers) *branch.add_layers() = one;
    };
    add(*branches.add_branches(), Conv("conv1x1", {.channels = inception.one, .kernel = 1}));
    v1::Branch& three = *branches.add_branches();
    add(three, Conv("reduce3x3", {.channels = inception.reduce3, .kernel = 1}));
    add(three, Conv("conv3x3", {.channels = inception.three, .kernel = 3}));
    v1::Branch& five = *branches.add_branches();
    add(five, Conv("reduce5x5", {.channels = inception.reduce5, .kernel = 1}));
    add(five, Conv("conv5x5", {.channels = inception.five, .kernel = 5}));
    v1::Branch& pool = *branches.add_branches();
    add(pool, {MakeMaxPool("pool", 3, 1, 1)});
    add(pool, Conv("pool_conv", {.channels = inception.pool, .kernel = 1}));
    return layer;
  }

  const v1::GooglenetPreset config_;
};

const Registered<Preset, v1::GooglenetPreset> kGooglenet(
    "GoogLeNet (Szegedy et al. 2015, slide 82).",
    [](v1::GooglenetPreset& config, const FieldErrors& errors) -> std::unique_ptr<Preset> {
      const int before = errors.count();
      CheckCount(config.classes(), 1, kMaxChannels, errors.At("classes"));
      ResolveActivation(*config.mutable_activation(), errors.At("activation"));
      if (!config.has_dropout()) config.set_dropout(0.4);
      CheckRate(config.dropout(), errors.At("dropout"));
      if (!config.has_width()) config.set_width(kPublishedWidth);
      CheckMultiple(config.width(), 8, kMaxChannels / 16, errors.At("width"));
      return errors.count() > before ? nullptr : std::make_unique<GooglenetNetwork>(config);
    });

}  // namespace
}  // namespace traind::core
