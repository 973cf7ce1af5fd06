// The vision transformer (Dosovitskiy et al. 2021) in the size of Touvron et al. 2021, as timm's vit_tiny_patch16_224:
// patches by a convolution, a class token, learned positions, pre-norm encoders, a norm, one dense layer. Weights start
// as timm's: those of dense layers normal with std 0.02, those of the convolution as PyTorch's.
#include <algorithm>
#include <memory>
#include <numbers>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/kinds/checks.h"
#include "core/kinds/make_layers.h"
#include "core/kinds/preset.h"

namespace traind::core {
namespace {

// The largest image that gets the small patch by itself.
constexpr int64_t kSmallPicture = 64;
constexpr uint32_t kSmallPatch = 4, kPatch = 16;
constexpr double kEpsilon = 1e-6;

v1::Initializer StartOfWeights() {
  v1::Initializer normal;
  normal.mutable_normal()->set_std(0.02);
  return normal;
}

class VitNetwork final : public Preset {
 public:
  explicit VitNetwork(const v1::VitTinyPreset& config) : config_(config) {}

  void Check(const Shape& input, const FieldErrors& errors) const override {
    if (input.size() != 3) return;  // The layers say it.
    const int64_t patch = Patch(input);
    if (input[1] % patch == 0 && input[2] % patch == 0) return;
    errors.At("patch").Add(absl::StrCat("must divide height and width of the input ", ToString(input), ", and ", patch,
                                        config_.has_patch() ? "" : ", the default,", " does not"));
  }

  std::vector<v1::Layer> Layers(const std::optional<Shape>& input) const override {
    const uint32_t patch = Patch(input);
    std::vector<v1::Layer> layers = {Named("patches"), Named("sequence")};
    v1::Conv2d& conv = *layers[0].mutable_conv2d();
    conv.set_out_channels(config_.width());
    conv.add_kernel(patch);
    conv.add_stride(patch);
    // Uniform in [-1 / sqrt(fan_in), 1 / sqrt(fan_in)].
    v1::Xavier& uniform = *conv.mutable_weight_init()->mutable_xavier();
    uniform.set_distribution(v1::DISTRIBUTION_UNIFORM);
    uniform.set_gain(1 / std::numbers::sqrt3);
    layers[1].mutable_to_sequence();
    if (!config_.mean_pooling()) {
      layers.push_back(Named("token"));
      layers.back().mutable_class_token();
    }
    layers.push_back(Named("positions"));
    layers.back().mutable_positional_embedding();
    if (config_.dropout() > 0) layers.push_back(MakeDropout("drop", config_.dropout()));
    for (uint32_t i = 1; i <= config_.depth(); ++i) layers.push_back(Encoder(i));
    layers.push_back(Named("norm"));
    layers.back().mutable_layer_norm()->set_per_position(true);
    layers.back().mutable_layer_norm()->set_epsilon(kEpsilon);
    layers.push_back(Named("pool"));
    config_.mean_pooling() ? static_cast<void>(layers.back().mutable_global_avg_pool())
                           : static_cast<void>(layers.back().mutable_take_position());
    layers.push_back(MakeDense("logits", config_.classes()));
    *layers.back().mutable_dense()->mutable_weight_init() = StartOfWeights();
    return layers;
  }

 private:
  uint32_t Patch(const std::optional<Shape>& input) const {
    if (config_.has_patch()) return config_.patch();
    const bool small = input && input->size() == 3 && std::max((*input)[1], (*input)[2]) <= kSmallPicture;
    return small ? kSmallPatch : kPatch;
  }

  v1::Layer Encoder(uint32_t number) const {
    v1::Layer layer = Named(absl::StrCat("encoder", number));
    v1::TransformerEncoder& encoder = *layer.mutable_block()->mutable_transformer_encoder();
    encoder.set_heads(config_.heads());
    encoder.set_mlp_width(config_.mlp_width());
    encoder.set_dropout(config_.dropout());
    encoder.set_epsilon(kEpsilon);
    // Huang et al. 2016, equation 4; as in timm the first encoder always passes.
    const double part = config_.depth() > 1 ? static_cast<double>(number - 1) / (config_.depth() - 1) : 1;
    encoder.set_survival(1 - part * (1 - config_.final_survival()));
    *encoder.mutable_weight_init() = StartOfWeights();
    return layer;
  }

  const v1::VitTinyPreset config_;
};

const Registered<Preset, v1::VitTinyPreset> kVitTiny(
    "The vision transformer (Dosovitskiy et al. 2021), in its smallest published size.",
    [](v1::VitTinyPreset& config, const FieldErrors& errors) -> std::unique_ptr<Preset> {
      const int before = errors.count();
      CheckCount(config.classes(), 1, kMaxChannels, errors.At("classes"));
      if (config.has_patch()) CheckCount(config.patch(), 1, 1 << 20, errors.At("patch"));
      if (!config.has_width()) config.set_width(192);
      CheckCount(config.width(), 1, kMaxChannels / 4, errors.At("width"));
      if (!config.has_depth()) config.set_depth(12);
      CheckCount(config.depth(), 1, 100, errors.At("depth"));
      if (!config.has_heads()) config.set_heads(3);
      CheckCount(config.heads(), 1, kMaxChannels, errors.At("heads"));
      if (config.heads() > 0 && config.width() % config.heads() != 0) {
        errors.At("heads").Add(absl::StrCat("must divide the width: ", config.width(), " / ", config.heads()));
      }
      if (!config.has_mlp_width()) config.set_mlp_width(4 * config.width());
      CheckCount(config.mlp_width(), 1, kMaxChannels, errors.At("mlp_width"));
      CheckRate(config.dropout(), errors.At("dropout"));
      if (!config.has_final_survival()) config.set_final_survival(1);
      CheckShare(config.final_survival(), errors.At("final_survival"));
      return errors.count() > before ? nullptr : std::make_unique<VitNetwork>(config);
    });

}  // namespace
}  // namespace traind::core
