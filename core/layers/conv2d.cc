// Cross-correlation over [channels, height, width]: see convolution.h.
#include <memory>

#include "core/kinds/checks.h"
#include "core/layers/convolution.h"
#include "core/layers/weighted.h"

namespace traind::core {
namespace {

const Registered<Layer, v1::Conv2d> kConv2d("Cross-correlation over height and width.",
                                            [](v1::Conv2d& config,
                                               const FieldErrors& errors) -> std::unique_ptr<Layer> {
                                              const int before = errors.count();
                                              CheckChannels(config.out_channels(), errors.At("out_channels"));
                                              const Window window = ResolveWindow(config, errors);
                                              ResolveGroups(config, errors);
                                              ResolveWeights(config, errors);
                                              if (errors.count() > before) return nullptr;
                                              return std::make_unique<ConvolutionLayer>(config, window,
                                                                                        ConvolutionLayer::Over::kImage);
                                            });

}  // namespace
}  // namespace traind::core
