// The largest value of each window; its gradient goes to the first place that held it.
#include <memory>

#include "core/layers/pooling.h"

namespace traind::core {
namespace {

const Registered<Layer, v1::MaxPool> kMaxPool("The largest value of each window.",
                                              [](v1::MaxPool& config, const FieldErrors& errors) {
                                                return MakePooling(onednn::PoolingOptions::Kind::kMax, config, errors);
                                              });

}  // namespace
}  // namespace traind::core
