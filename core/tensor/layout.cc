#include "core/tensor/layout.h"

#include <algorithm>

#include "core/onednn/desc.h"

namespace traind::core {
namespace {

// The strides of the outer array [n, block, spatial...] with `width` channels innermost. A dimension of one element may
// have any stride.
bool StridesFit(const onednn::Blocking& blocking, const Layout& layout) {
  int64_t stride = layout.width;
  for (size_t i = blocking.dims.size(); i-- > 2;) {
    if (blocking.dims[i] != 1 && blocking.strides[i] != stride) return false;
    stride *= blocking.dims[i];
  }
  // With one block, consecutive channels are next to each other; else this is the step from block to block. Inner
  // blocks leave the stride of the outer array.
  const bool blocked = !blocking.inner_blocks.empty();
  const int64_t channel_stride = blocked || layout.width == 1 ? layout.spatial * layout.width : 1;
  const int64_t outer_channels = blocked ? layout.blocks : layout.channels;
  if (outer_channels != 1 && blocking.strides[1] != channel_stride) return false;
  return blocking.dims[0] == 1 || blocking.strides[0] == layout.example_stride();
}

}  // namespace

std::optional<Layout> Layout::Of(const dnnl::memory::desc& desc) {
  using Type = dnnl::memory::data_type;
  const Type type = onednn::TypeOf(desc);
  if (type != Type::f32 && type != Type::bf16) return std::nullopt;
  const std::optional<onednn::Blocking> blocking = onednn::BlockingOf(desc);
  if (!blocking || blocking->dims.size() < 2 || blocking->offset != 0) return std::nullopt;
  const auto& dims = blocking->dims;
  if (std::any_of(dims.begin(), dims.end(), [](int64_t d) { return d <= 0; })) return std::nullopt;

  Layout layout{.type = type, .batch = dims[0], .channels = dims[1]};
  for (size_t i = 2; i < dims.size(); ++i) layout.spatial *= dims[i];

  if (blocking->inner_blocks.empty()) {
    if (blocking->padded_dims != dims) return std::nullopt;
    // Longer rows first: without spatial dimensions, plain and channels-last are the same.
    for (const int64_t width : {layout.channels, int64_t{1}}) {
      layout.width = width;
      layout.blocks = layout.channels / width;
      if (StridesFit(*blocking, layout)) return layout;
    }
    return std::nullopt;
  }

  if (blocking->inner_blocks.size() != 1 || blocking->inner_dims[0] != 1) return std::nullopt;
  layout.width = blocking->inner_blocks[0];
  layout.blocks = (layout.channels + layout.width - 1) / layout.width;
  auto padded = dims;
  padded[1] = layout.padded_channels();
  if (blocking->padded_dims != padded || !StridesFit(*blocking, layout)) return std::nullopt;
  return layout;
}

}  // namespace traind::core
