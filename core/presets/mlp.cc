// Dense layers of one width (slide 48: six of 4096).
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/kinds/checks.h"
#include "core/kinds/make_layers.h"
#include "core/kinds/preset.h"

namespace traind::core {
namespace {

constexpr uint32_t kMaxDepth = 1000;  // As that of the other presets.

class MlpNetwork final : public Preset {
 public:
  explicit MlpNetwork(const v1::MlpPreset& config) : config_(config) {}

  std::vector<v1::Layer> Layers(const std::optional<Shape>& /*input*/) const override {
    std::vector<v1::Layer> layers;
    for (uint32_t i = 1; i <= config_.depth(); ++i) {
      v1::Layer dense = MakeDense(absl::StrCat("fc", i), config_.width(), /*bias=*/!config_.batch_norm());
      AddActivated(std::move(dense), config_.batch_norm() ? absl::StrCat("norm", i) : "", config_.activation(), layers);
      if (config_.dropout() > 0) layers.push_back(MakeDropout(absl::StrCat("drop", i), config_.dropout()));
    }
    layers.push_back(MakeDense("logits", config_.classes()));
    return layers;
  }

 private:
  const v1::MlpPreset config_;
};

const Registered<Preset, v1::MlpPreset> kMlp("Dense layers of one width (slide 48).",
                                             [](v1::MlpPreset& config,
                                                const FieldErrors& errors) -> std::unique_ptr<Preset> {
                                               const int before = errors.count();
                                               if (!config.has_depth()) config.set_depth(2);
                                               if (!config.has_width()) config.set_width(512);
                                               CheckCount(config.classes(), 1, kMaxChannels, errors.At("classes"));
                                               CheckCount(config.depth(), 0, kMaxDepth, errors.At("depth"));
                                               CheckCount(config.width(), 1, kMaxChannels, errors.At("width"));
                                               ResolveActivation(*config.mutable_activation(), errors.At("activation"));
                                               CheckRate(config.dropout(), errors.At("dropout"));
                                               return errors.count() > before ? nullptr
                                                                              : std::make_unique<MlpNetwork>(config);
                                             });

}  // namespace
}  // namespace traind::core
