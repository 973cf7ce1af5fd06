// Between dense blocks (Huang et al. 2017): batch norm, activation, 1x1 convolution to a share of the channels, 2x2
// average pooling.
#include <algorithm>
#include <cmath>
#include <memory>

#include "core/kinds/block.h"
#include "core/kinds/checks.h"
#include "core/kinds/make_layers.h"

namespace traind::core {
namespace {

class TransitionBlock final : public Block {
 public:
  explicit TransitionBlock(const v1::Transition& config) : config_(config) {}

  void Expand(BlockBuilder& builder, const FieldErrors& /*errors*/) const override {
    const Shape* input = builder.ShapeOf(BlockBuilder::kInput);
    const double channels = input ? static_cast<double>((*input)[0]) : 1;
    const double kept = std::max(1.0, std::floor(channels * config_.compression()));
    builder.Add(With(MakeBatchNorm("norm"), config_.activation()));
    builder.Add(MakeConv("conv", {.channels = static_cast<uint32_t>(kept), .kernel = 1}));
    if (config_.dropout() > 0) builder.Add(MakeDropout("drop", config_.dropout()));
    builder.AddLast(MakeAvgPool("pool", 2));
  }

  bool normalizes_over_batch() const override { return true; }

 private:
  const v1::Transition config_;
};

const Registered<Block, v1::Transition> kTransition(
    "Between dense blocks: fewer channels and half the size (DenseNet, slide 34).",
    [](v1::Transition& config, const FieldErrors& errors) -> std::unique_ptr<Block> {
      const int before = errors.count();
      if (!config.has_compression()) config.set_compression(1);
      CheckShare(config.compression(), errors.At("compression"));
      CheckRate(config.dropout(), errors.At("dropout"));
      ResolveActivation(*config.mutable_activation(), errors.At("activation"));
      return errors.count() > before ? nullptr : std::make_unique<TransitionBlock>(config);
    });

}  // namespace
}  // namespace traind::core
