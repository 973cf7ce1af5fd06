// Every memory layout an activation can have in a plan, as one five-index form:
//   data[n][block][s][c]    channel = block * width + c, s = height * W + width index
// - plain [N, C, H, W]: width 1, one block for each channel;    - [N, F]: width F, one block, spatial 1;
// - channels-last: width C, one block;                         - nChw16c: width 16, the last block padded with zeros.
// Loops of our own run over the rows [c] of valid channels, so padding is never read as data and stays zero.
// A value type; safe to share.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "core/onednn/onednn.h"

namespace traind::core {

struct Layout {
  dnnl::memory::data_type type = dnnl::memory::data_type::f32;  // f32 or bf16.
  int64_t batch = 0;
  int64_t channels = 0;  // Real ones.
  int64_t spatial = 1;   // Height * width.
  int64_t width = 1;     // Channels stored next to each other.
  int64_t blocks = 0;    // ceil(channels / width)

  int64_t padded_channels() const { return blocks * width; }
  bool padded() const { return padded_channels() != channels; }
  int64_t example_stride() const { return blocks * spatial * width; }  // Elements, padding included.
  int64_t stored_elements() const { return batch * example_stride(); }
  int64_t elements() const { return batch * channels * spatial; }
  // Valid channels of a block.
  int64_t block_width(int64_t block) const { return block + 1 < blocks ? width : channels - block * width; }

  // The form of a descriptor; nullopt when it is none of the above (the planner then reorders to plain).
  static std::optional<Layout> Of(const dnnl::memory::desc& desc);
};

// Zeros back into the padding of one example, for loops that write over it.
template <class T>
void ZeroPadding(const Layout& layout, T* example) {
  if (!layout.padded()) return;
  const int64_t valid = layout.block_width(layout.blocks - 1);
  T* row = example + (layout.blocks - 1) * layout.spatial * layout.width;
  for (int64_t s = 0; s < layout.spatial; ++s, row += layout.width) std::fill(row + valid, row + layout.width, T{});
}

}  // namespace traind::core
