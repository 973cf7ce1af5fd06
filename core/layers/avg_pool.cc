// The mean of each window, of the values inside the image or of the whole window with its padding of zeros.
#include <memory>

#include "core/layers/pooling.h"

namespace traind::core {
namespace {

using Kind = onednn::PoolingOptions::Kind;

const Registered<Layer, v1::AvgPool> kAvgPool("The mean of each window.", [](v1::AvgPool& config,
                                                                             const FieldErrors& errors) {
  return MakePooling(config.count_include_pad() ? Kind::kMeanWithPadding : Kind::kMean, config, errors);
});

}  // namespace
}  // namespace traind::core
