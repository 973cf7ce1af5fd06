#include "core/tensor/format.h"

#include <optional>

namespace traind::core {

dnnl::memory::desc InFormatOf(const dnnl::memory::desc& like, const dnnl::memory::dims& dims,
                              dnnl::memory::data_type type) {
  using Tag = dnnl::memory::format_tag;
  const std::optional<onednn::Blocking> blocking = onednn::BlockingOf(like);
  if (dims.size() != 4 || !blocking || blocking->dims.size() != 4) return onednn::Plain(dims, type);
  if (blocking->inner_blocks.empty()) {
    const bool channels_last = blocking->dims[1] > 1 && blocking->strides[1] == 1;
    // Of an image of one pixel both are true; row-major then.
    const bool row_major = blocking->dims[2] * blocking->dims[3] == 1;
    return {dims, type, channels_last && !row_major ? Tag::nhwc : Tag::nchw};
  }
  switch (blocking->inner_blocks[0]) {
    case 16:
      return {dims, type, Tag::nChw16c};
    case 8:
      return {dims, type, Tag::nChw8c};
    default:
      return {dims, type, Tag::nChw4c};
  }
}

}  // namespace traind::core
