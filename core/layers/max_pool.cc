// The largest value of each window; its gradient goes to the first place that held it.
#include <memory>

#include "core/layers/pooling.h"

namespace traind::core {
namespace {

const Registered<Layer, v1::MaxPool> kMaxPool(
    "The largest value of each window.", [](v1::MaxPool& config, const FieldErrors& errors) -> std::unique_ptr<Layer> {
      const int before = errors.count();
      const Window window = ResolveWindow({.kernel = config.mutable_kernel(),
                                           .stride = config.mutable_stride(),
                                           .dilation = nullptr,
                                           .padding = config.mutable_padding()},
                                          errors);
      if (errors.count() > before) return nullptr;
      return std::make_unique<PoolingLayer>(onednn::PoolingOptions::Kind::kMax, window);
    });

}  // namespace
}  // namespace traind::core
