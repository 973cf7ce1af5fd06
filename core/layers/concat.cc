// Two or more inputs joined along the channels; backward, each input's gradient is a part of the output's. The copies
// are loops of our own, from any layout to any: oneDNN's kernels fall back to reference code on a part of a larger
// tensor, so nothing can be written in place, and its concat needs blocks that fit together without a gap, without
// which everything behind would have to be plain.
#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/parallel.h"
#include "core/kinds/checks.h"
#include "core/kinds/placed_value.h"
#include "core/kinds/values.h"
#include "core/onednn/desc.h"
#include "core/tensor/format.h"

namespace traind::core {
namespace {

using onednn::Dims;
using Type = dnnl::memory::data_type;

// `length` neighbours at each of `positions`, `from_step` and `to_step` elements apart.
template <class T, size_t kLength>
void CopyNeighbours(const T* from, int64_t from_step, T* to, int64_t to_step, int64_t positions) {
  for (int64_t i = 0; i < positions; ++i) std::memcpy(to + i * to_step, from + i * from_step, kLength * sizeof(T));
}

// The loop above for each length up to that of a block, where a length known to the compiler is one or two moves.
constexpr size_t kLongestBlock = 16;
template <class T>
constexpr auto kCopies = []<size_t... kIndex>(std::index_sequence<kIndex...>) {
  return std::array{&CopyNeighbours<T, kIndex + 1>...};
}
(std::make_index_sequence<kLongestBlock>());

template <class T>
void CopyRun(const T* from, int64_t from_step, T* to, int64_t to_step, int64_t length, int64_t positions) {
  if (length == from_step && length == to_step) {
    std::memcpy(to, from, length * positions * sizeof(T));
  } else if (length <= static_cast<int64_t>(kLongestBlock)) {
    kCopies<T>[length - 1](from, from_step, to, to_step, positions);
  } else {
    for (int64_t i = 0; i < positions; ++i) std::memcpy(to + i * to_step, from + i * from_step, length * sizeof(T));
  }
}

// Some channels of a tensor.
struct Channels {
  Value value;
  Layout layout;
  int64_t first = 0;
};

// Copies `count` channels for every example and position; with the last channel, zeros into the padding behind it.
template <class T>
void CopyChannels(const Frame& frame, const Channels& from, const Channels& to, int64_t count) {
  const T* source = frame.at<T>(from.value);
  T* target = frame.at<T>(to.value);
  const int64_t spatial = to.layout.spatial, width = to.layout.width, from_width = from.layout.width;
  const int64_t end = to.first + count;
  const int64_t first_block = to.first / width;
  const int64_t blocks = (end + width - 1) / width - first_block;
  const int64_t grain = GrainFor(spatial * std::min(width, count));
  ParallelFor(from.layout.batch * blocks, grain, [&](int64_t begin_item, int64_t end_item, int) {
    for (int64_t item = begin_item; item < end_item; ++item) {
      const int64_t n = item / blocks, block = first_block + item % blocks;
      T* out = target + n * to.layout.example_stride() + block * spatial * width;
      const int64_t block_end = std::min(end, (block + 1) * width);
      for (int64_t channel = std::max(to.first, block * width); channel < block_end;) {
        const int64_t from_channel = from.first + channel - to.first;
        const int64_t from_lane = from_channel % from_width;
        const int64_t length = std::min(block_end - channel, from_width - from_lane);
        const T* in = source + n * from.layout.example_stride() + from_channel / from_width * spatial * from_width;
        CopyRun(in + from_lane, from_width, out + channel % width, width, length, spatial);
        channel += length;
      }
      if (block_end == to.layout.channels) ZeroPadding(to.layout, target + n * to.layout.example_stride());
    }
  });
}

void Copy(const Frame& frame, const Channels& from, const Channels& to, int64_t count) {
  to.layout.type == Type::bf16 ? CopyChannels<uint16_t>(frame, from, to, count)
                               : CopyChannels<uint32_t>(frame, from, to, count);
}

class ConcatLayer : public Layer {
 public:
  LayerShape Infer(absl::Span<const Shape> inputs, const FieldErrors& errors) const override {
    LayerShape shape;
    if (!SeveralInputs(inputs, errors)) return shape;
    shape.output = inputs[0];
    for (size_t i = 1; i < inputs.size(); ++i) {
      const Shape& input = inputs[i];
      if (input.size() != inputs[0].size() || !std::equal(input.begin() + 1, input.end(), inputs[0].begin() + 1)) {
        errors.Add(absl::StrCat("needs inputs that differ in their channels only: the first is ", ToString(inputs[0]),
                                ", number ", i + 1, " is ", ToString(input)));
        continue;
      }
      shape.output[0] += input[0];
    }
    return shape;
  }

  LayerTraits traits() const override { return {.linear = true}; }

  absl::StatusOr<BackwardPlan> Plan(Planner& planner) const override {
    std::vector<Channels> inputs;
    std::vector<Value> reads;
    for (int i = 0; i < planner.num_inputs(); ++i) {
      const PlacedValue placed = PlacedChannels(planner, i);
      inputs.push_back({.value = placed.value, .layout = placed.layout});
      reads.push_back(placed.value);
    }
    // In blocks where any input is: what a convolution left, and the next one wants.
    const auto like = std::max_element(inputs.begin(), inputs.end(), [&](const Channels& a, const Channels& b) {
      return IsBlocked(planner, a) < IsBlocked(planner, b);
    });
    const Dims dims = ValueDims(planner.batch(), planner.OutputShape());
    const dnnl::memory::desc desc = InFormatOf(planner.Desc(like->value), dims, planner.compute_type());
    const Channels output{.value = planner.New(desc), .layout = *Layout::Of(desc)};
    planner.Run("concat", reads, {output.value}, [inputs, output](const Frame& frame) {
      Channels to = output;
      for (const Channels& input : inputs) {
        Copy(frame, input, to, input.layout.channels);
        to.first += input.layout.channels;
      }
    });
    planner.SetOutput(output.value);
    return [inputs, output](Planner& back) {
      Channels gradient = output;
      gradient.value = GradientAs(back, back.Desc(output.value));
      for (size_t i = 0; i < inputs.size(); ++i) {
        const int input = static_cast<int>(i);
        const int64_t channels = inputs[i].layout.channels;
        if (back.NeedsInputGradient(input)) {
          Channels part = inputs[i];
          part.value = back.New(back.Desc(inputs[i].value));
          back.Run("concat gradient", {gradient.value}, {part.value},
                   [gradient, part, channels](const Frame& frame) { Copy(frame, gradient, part, channels); });
          GiveInputGradient(back, input, part.value);
        }
        gradient.first += channels;
      }
      return absl::OkStatus();
    };
  }

 private:
  static bool IsBlocked(const Planner& planner, const Channels& input) {
    return !onednn::BlockingOf(planner.Desc(input.value))->inner_blocks.empty();
  }
};

const Registered<Layer, v1::Concat> kConcat("Two or more inputs, joined along the channels.",
                                            [](v1::Concat&, const FieldErrors&) {
                                              return std::make_unique<ConcatLayer>();
                                            });

}  // namespace
}  // namespace traind::core
