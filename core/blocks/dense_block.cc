// Layers of which each reads everything before it in the block (Huang et al. 2017): batch norm, activation, 3x3
// convolution to `growth` channels, joined to what it read.
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "core/kinds/block.h"
#include "core/kinds/checks.h"
#include "core/kinds/make_layers.h"

namespace traind::core {
namespace {

constexpr uint32_t kMaxLayers = 1000;  // Far more than in any published network.

class DenseBlockOfLayers final : public Block {
 public:
  explicit DenseBlockOfLayers(const v1::DenseBlock& config) : config_(config) {}

  void Expand(BlockBuilder& builder, const FieldErrors& /*errors*/) const override {
    std::string before(BlockBuilder::kInput);
    for (uint32_t i = 1; i <= config_.layers(); ++i) {
      std::string made = absl::StrCat("conv", i);
      builder.Add(Reading(Norm(absl::StrCat("norm", i)), {before}));
      if (config_.bottleneck()) {
        builder.Add(MakeConv(absl::StrCat("reduce", i), {.channels = 4 * config_.growth(), .kernel = 1}));
        AddDropout(builder, absl::StrCat("reduce_drop", i));
        builder.Add(Norm(absl::StrCat("reduce_norm", i)));
      }
      builder.Add(MakeConv(made, {.channels = config_.growth()}));
      if (AddDropout(builder, absl::StrCat("drop", i))) made = absl::StrCat("drop", i);
      v1::Layer joined = MakeConcat(absl::StrCat("joined", i), {before, made});
      before = joined.name();
      i == config_.layers() ? builder.AddLast(std::move(joined)) : builder.Add(std::move(joined));
    }
  }

  bool normalizes_over_batch() const override { return true; }

 private:
  v1::Layer Norm(std::string name) const { return With(MakeBatchNorm(std::move(name)), config_.activation()); }
  bool AddDropout(BlockBuilder& builder, std::string name) const {
    if (config_.dropout() > 0) builder.Add(MakeDropout(std::move(name), config_.dropout()));
    return config_.dropout() > 0;
  }

  const v1::DenseBlock config_;
};

const Registered<Block, v1::DenseBlock> kDenseBlock(
    "Convolutions of which each reads everything before it in the block (DenseNet, slide 34).",
    [](v1::DenseBlock& config, const FieldErrors& errors) -> std::unique_ptr<Block> {
      const int before = errors.count();
      CheckCount(config.layers(), 1, kMaxLayers, errors.At("layers"));
      CheckCount(config.growth(), 1, kMaxChannels / 4, errors.At("growth"));
      CheckRate(config.dropout(), errors.At("dropout"));
      ResolveActivation(*config.mutable_activation(), errors.At("activation"));
      return errors.count() > before ? nullptr : std::make_unique<DenseBlockOfLayers>(config);
    });

}  // namespace
}  // namespace traind::core
