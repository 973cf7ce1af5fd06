// What a memory descriptor says, by one name for oneDNN 2.x and 3.x.
#pragma once

#include "core/onednn/onednn.h"

namespace traind::core::onednn {

inline dnnl::memory::dims DimsOf(const dnnl::memory::desc& desc) {
#if DNNL_VERSION_MAJOR < 3
  return desc.dims();
#else
  return desc.get_dims();
#endif
}

inline dnnl::memory::data_type TypeOf(const dnnl::memory::desc& desc) {
#if DNNL_VERSION_MAJOR < 3
  return desc.data_type();
#else
  return desc.get_data_type();
#endif
}

}  // namespace traind::core::onednn
