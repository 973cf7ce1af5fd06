// Descriptors in the format of others: for loops of our own whose output or parameters lie in memory as their input
// does. Pure; thread-safe.
#pragma once

#include "core/onednn/onednn.h"

namespace traind::core {

// Values of other dimensions (or another type) in the format of `like`, which has a Layout (core/tensor/layout.h):
// row-major, channels-last or channel-blocked. Two or four dimensions.
dnnl::memory::desc InFormatOf(const dnnl::memory::desc& like, const dnnl::memory::dims& dims,
                              dnnl::memory::data_type type);

}  // namespace traind::core
