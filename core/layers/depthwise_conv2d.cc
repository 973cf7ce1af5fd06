// Cross-correlation of each channel by itself (Chollet 2017; Howard et al. 2017): a convolution with as many groups as
// channels, see convolution.h.
#include <memory>

#include "core/kinds/checks.h"
#include "core/layers/convolution.h"
#include "core/layers/weighted.h"

namespace traind::core {
namespace {

const Registered<Layer, v1::DepthwiseConv2d> kDepthwiseConv2d(
    "Cross-correlation of each channel by itself.",
    [](v1::DepthwiseConv2d& config, const FieldErrors& errors) -> std::unique_ptr<Layer> {
      const int before = errors.count();
      if (!config.has_multiplier()) config.set_multiplier(1);
      CheckChannels(config.multiplier(), errors.At("multiplier"));
      const Window window = ResolveWindow(config, errors);
      ResolveWeights(config, errors);
      if (errors.count() > before) return nullptr;
      return std::make_unique<ConvolutionLayer>(WeightsOf(config), window, ConvolutionLayer::Over::kImage,
                                                config.multiplier());
    });

}  // namespace
}  // namespace traind::core
