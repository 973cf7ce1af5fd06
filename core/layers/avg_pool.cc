// The mean of each window, of the values inside the image or of the whole window with its padding of zeros.
#include <memory>

#include "core/layers/pooling.h"

namespace traind::core {
namespace {

const Registered<Layer, v1::AvgPool> kAvgPool(
    "The mean of each window.", [](v1::AvgPool& config, const FieldErrors& errors) -> std::unique_ptr<Layer> {
      const int before = errors.count();
      const Window window = ResolveWindow({.kernel = config.mutable_kernel(),
                                           .stride = config.mutable_stride(),
                                           .dilation = nullptr,
                                           .padding = config.mutable_padding()},
                                          errors);
      if (errors.count() > before) return nullptr;
      const auto kind = config.count_include_pad() ? onednn::PoolingOptions::Kind::kMeanWithPadding
                                                   : onednn::PoolingOptions::Kind::kMean;
      return std::make_unique<PoolingLayer>(kind, window);
    });

}  // namespace
}  // namespace traind::core
