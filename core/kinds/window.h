// The sliding window of convolutions and pooling: kernel, stride, dilation and padding as the user writes them, checked
// and laid over an input. Value types; thread-safe.
#pragma once

#include <array>
#include <cstdint>

#include "core/base/errors.h"
#include "core/tensor/tensor.h"
#include "traind/v1/network.pb.h"

namespace traind::core {

// A window laid over [channels, height, width]. Index 0 is the vertical direction.
struct PlacedWindow {
  std::array<int64_t, 2> padding_begin = {};  // Above and left.
  std::array<int64_t, 2> padding_end = {};    // Below and right, with what the last window hangs over.
  std::array<int64_t, 2> overhang = {};       // Of the last window, beyond the padding asked for: with `ceil`.
  std::array<int64_t, 2> output = {1, 1};     // Height and width; below 1 where the window does not fit.
};

struct Window {
  std::array<int64_t, 2> kernel = {1, 1};
  std::array<int64_t, 2> stride = {1, 1};
  std::array<int64_t, 2> dilation = {1, 1};
  bool same = false;                          // Padding follows from the input's size.
  std::array<int64_t, 2> padding_begin = {};  // Else these.
  std::array<int64_t, 2> padding_end = {};
  // Counts positions with ceil, so that the last window may hang over the edge; none begins outside the input and the
  // padding before it (Caffe's pooling_layer.cpp, PyTorch's pooling_output_shape).
  bool ceil = false;

  // Rows or columns from the first tap to the last.
  int64_t extent(int axis) const { return (kernel[axis] - 1) * dilation[axis] + 1; }
  PlacedWindow Place(const Shape& input) const;
  // The same, with a violation (at `kernel`) where the output would be empty.
  PlacedWindow Place(const Shape& input, const FieldErrors& errors) const;
};

// The geometry of a convolution of one example.
struct ConvolutionShape {
  int64_t in_channels = 1;
  int64_t out_channels = 1;  // With every piece of a maxout behind it, as its weights have them.
  int64_t groups = 1;
  Window window;
  PlacedWindow placed;  // The window over the input.
};

// The fields that conv2d and the pooling layers share; `dilation` is null for pooling, whose stride defaults to the
// kernel and whose padding must be smaller than the kernel. Writes the resolved form back: two values each, four for
// the padding. Violations go below `errors`, the scope of the config.
struct WindowFields {
  google::protobuf::RepeatedField<uint32_t>* kernel;
  google::protobuf::RepeatedField<uint32_t>* stride;
  google::protobuf::RepeatedField<uint32_t>* dilation;
  v1::Padding* padding;
};
Window ResolveWindow(const WindowFields& fields, const FieldErrors& errors);

// The same for a config that has these fields.
template <class Config>
Window ResolveWindow(Config& config, const FieldErrors& errors) {
  google::protobuf::RepeatedField<uint32_t>* dilation = nullptr;
  if constexpr (requires { config.mutable_dilation(); }) dilation = config.mutable_dilation();
  const WindowFields fields{.kernel = config.mutable_kernel(),
                            .stride = config.mutable_stride(),
                            .dilation = dilation,
                            .padding = config.mutable_padding()};
  Window window = ResolveWindow(fields, errors);
  if constexpr (requires { config.ceil_mode(); }) {
    window.ceil = config.ceil_mode();
    if (window.ceil && window.same) errors.At("ceil_mode").Add("does not go with SAME, which rounds up already");
  }
  return window;
}

}  // namespace traind::core
