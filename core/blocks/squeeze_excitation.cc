// y = x * gate(W2 activation(W1 mean(x))), the product channel by channel (Hu et al. 2018).
#include <algorithm>
#include <memory>

#include "core/kinds/block.h"
#include "core/kinds/checks.h"
#include "core/kinds/make_layers.h"

namespace traind::core {
namespace {

class SqueezeExcitationBlock final : public Block {
 public:
  explicit SqueezeExcitationBlock(const v1::SqueezeExcitation& config) : config_(config) {}

  void Expand(BlockBuilder& builder, const FieldErrors& /*errors*/) const override {
    const Shape* input = builder.ShapeOf(BlockBuilder::kInput);
    const uint32_t channels = input ? static_cast<uint32_t>((*input)[0]) : 1;
    const uint32_t squeezed =
        config_.has_squeeze_channels() ? config_.squeeze_channels() : std::max(1u, channels / config_.reduction());
    builder.Add(MakeGlobalAvgPool("pool"));
    builder.Add(With(MakeDense("squeeze", squeezed), config_.activation()));
    builder.Add(With(MakeDense("excite", channels), config_.gate()));
    v1::Layer product = Named("scale");
    product.mutable_multiply();
    builder.AddLast(Reading(std::move(product), {std::string(BlockBuilder::kInput), "excite"}));
  }

 private:
  const v1::SqueezeExcitation config_;
};

const Registered<Block, v1::SqueezeExcitation> kSqueezeExcitation(
    "Weights the channels by what the whole image says (Hu et al. 2018).",
    [](v1::SqueezeExcitation& config, const FieldErrors& errors) -> std::unique_ptr<Block> {
      const int before = errors.count();
      if (config.has_squeeze_channels()) {
        CheckChannels(config.squeeze_channels(), errors.At("squeeze_channels"));
        if (config.has_reduction()) errors.At("reduction").Add("contradicts squeeze_channels, which says how many");
      } else {
        if (!config.has_reduction()) config.set_reduction(16);
        CheckChannels(config.reduction(), errors.At("reduction"));
      }
      ResolveActivation(*config.mutable_activation(), errors.At("activation"));
      if (config.gate().kind_case() == v1::Activation::KIND_NOT_SET) config.mutable_gate()->mutable_sigmoid();
      ResolveActivation(*config.mutable_gate(), errors.At("gate"));
      return errors.count() > before ? nullptr : std::make_unique<SqueezeExcitationBlock>(config);
    });

}  // namespace
}  // namespace traind::core
