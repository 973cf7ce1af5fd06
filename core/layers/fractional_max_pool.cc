// Fractional max pooling (Graham 2014): the largest value of each region of a grid whose rows and columns are drawn
// anew for each example of each step (pooling_regions.h). Regions are up to 3 by 3 pixels. Its gradient goes to the
// first place, row by row, that held the largest value; where regions overlap, gradients add up. Which place that was
// is kept as one byte for each output.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/bfloat16.h"
#include "core/base/parallel.h"
#include "core/base/require.h"
#include "core/kinds/checks.h"
#include "core/kinds/placed_value.h"
#include "core/kinds/values.h"
#include "core/layers/pooling_regions.h"
#include "core/onednn/desc.h"
#include "core/tensor/format.h"

namespace traind::core {
namespace {

using onednn::Type;

constexpr int64_t kMaxPixels = int64_t{1} << 24;  // Of an axis.
constexpr int kSide = 3;                          // Longest region: a place in it is row * kSide + column.
constexpr int kBlock = 16;                        // Channels taken at once.

// The larger value, or NaN as soon as there is one.
TRAIND_INLINE bool Wins(float value, float best) { return (value > best) | (value != value); }

// One row of regions over kBlock (or, of the last ones, fewer) channels that lie next to each other.
struct Row {
  int64_t height;         // Rows of pixels in the regions.
  int64_t pixel, line;    // Values from one pixel to the next, and from one line of pixels to the next.
  const int32_t* starts;  // Of the columns.
  int64_t outputs;
  int64_t overlap;  // 1 or 0: pixels that a region shares with the next.
  int64_t width(int64_t i) const { return starts[i + 1] - starts[i] + overlap; }
};

template <int kChannels, class T>
TRAIND_INLINE void PoolCells(const Row& row, const T* __restrict x, int64_t channels, T* __restrict y,
                             uint8_t* __restrict places) {
  const int64_t n = kChannels > 0 ? kChannels : channels;
  for (int64_t i = 0; i < row.outputs; ++i, y += row.pixel, places += row.pixel) {
    const T* from = x + row.starts[i] * row.pixel;
    float best[kBlock];
    int32_t at[kBlock];
    for (int64_t c = 0; c < n; ++c) best[c] = ToFloat(from[c]);
    for (int64_t c = 0; c < n; ++c) at[c] = 0;
    for (int64_t h = 0; h < row.height; ++h) {
      for (int64_t w = 0; w < row.width(i); ++w) {
        const T* values = from + h * row.line + w * row.pixel;
        const int32_t place = static_cast<int32_t>(h * kSide + w);
#pragma omp simd  // Else the loop would be unrolled before it can be vectorized.
        for (int64_t c = 0; c < n; ++c) {
          const float value = ToFloat(values[c]);
          const bool wins = Wins(value, best[c]);
          best[c] = wins ? value : best[c];
          at[c] = wins ? place : at[c];
        }
      }
    }
    for (int64_t c = 0; c < n; ++c) y[c] = FromFloat<T>(best[c]);
    for (int64_t c = 0; c < n; ++c) places[c] = static_cast<uint8_t>(at[c]);
  }
}

template <class T>
TRAIND_VECTORIZED void PoolRow(const Row& row, const T* x, int64_t channels, T* y, uint8_t* places) {
  channels == kBlock ? PoolCells<kBlock>(row, x, channels, y, places) : PoolCells<0>(row, x, channels, y, places);
}

template <int kChannels, class T>
TRAIND_INLINE void SpreadCells(const Row& row, const T* __restrict dy, const uint8_t* __restrict places,
                               int64_t channels, T* __restrict dx) {
  const int64_t n = kChannels > 0 ? kChannels : channels;
  for (int64_t i = 0; i < row.outputs; ++i, dy += row.pixel, places += row.pixel) {
    T* to = dx + row.starts[i] * row.pixel;
    for (int64_t h = 0; h < row.height; ++h) {
      for (int64_t w = 0; w < row.width(i); ++w) {
        T* sums = to + h * row.line + w * row.pixel;
        const int32_t place = static_cast<int32_t>(h * kSide + w);
#pragma omp simd
        for (int64_t c = 0; c < n; ++c) {
          const float gradient = places[c] == place ? ToFloat(dy[c]) : 0.0f;
          sums[c] = FromFloat<T>(ToFloat(sums[c]) + gradient);
        }
      }
    }
  }
}

template <class T>
TRAIND_VECTORIZED void SpreadRow(const Row& row, const T* dy, const uint8_t* places, int64_t channels, T* dx) {
  channels == kBlock ? SpreadCells<kBlock>(row, dy, places, channels, dx)
                     : SpreadCells<0>(row, dy, places, channels, dx);
}

// --- The same where a channel's pixels are next to each other: the lines of the regions first, which vectorizes.
constexpr int64_t kPart = 128;  // Regions at once.

template <class T>
TRAIND_VECTORIZED void MaxOfLines(const T* __restrict x, int64_t height, int64_t line, int64_t n,
                                  float* __restrict best, int32_t* __restrict at) {
  for (int64_t i = 0; i < n; ++i) best[i] = ToFloat(x[i]);
  for (int64_t i = 0; i < n; ++i) at[i] = 0;
  for (int64_t h = 1; h < height; ++h) {
    for (int64_t i = 0; i < n; ++i) {
      const float value = ToFloat(x[h * line + i]);
      const bool wins = Wins(value, best[i]);
      best[i] = wins ? value : best[i];
      at[i] = wins ? static_cast<int32_t>(h * kSide) : at[i];
    }
  }
}

template <class T>
void PoolLine(const Row& row, const T* x, T* y, uint8_t* places) {
  float best[kSide * kPart];
  int32_t at[kSide * kPart];
  for (int64_t part = 0; part < row.outputs; part += kPart) {
    const int64_t end = std::min(part + kPart, row.outputs);
    const int64_t first = row.starts[part];
    const int64_t last = row.starts[end - 1] + row.width(end - 1);
    MaxOfLines(x + first, row.height, row.line, last - first, best, at);
    for (int64_t i = part; i < end; ++i) {
      const int64_t begin = row.starts[i] - first;
      float value = best[begin];
      int32_t place = at[begin];
      for (int64_t w = 1; w < row.width(i); ++w) {
        const float other = best[begin + w];
        const int32_t other_place = at[begin + w] + static_cast<int32_t>(w);
        if (!Wins(other, value) && !(other == value && other_place < place)) continue;
        value = other;
        place = other_place;
      }
      y[i] = FromFloat<T>(value);
      places[i] = static_cast<uint8_t>(place);
    }
  }
}

template <class T>
void SpreadLine(const Row& row, const T* dy, const uint8_t* places, T* dx) {
  for (int64_t i = 0; i < row.outputs; ++i) {
    T& sum = dx[row.starts[i] + places[i] / kSide * row.line + places[i] % kSide];
    sum = FromFloat<T>(ToFloat(sum) + ToFloat(dy[i]));
  }
}

// The values of one step's kernels.
struct PoolValues {
  Layout in, out;
  int64_t height = 0, width = 0;  // Of the input; and of the output:
  int64_t out_height = 0, out_width = 0;
  RegionRule rule;
  RandomStream random{0, kPoolPurpose, 0};
  bool training = false;
  Value x, y, dy, dx;
  Value starts;  // [examples, out_height + 1 + out_width + 1]; at test time of one example.
  Value places;  // As y.

  int64_t starts_each() const { return out_height + out_width + 2; }
};

// Calls body(row, offset in the input, offset in the output, channels) for every row of regions of some blocks of
// channels of the minibatch.
template <class Body>
void ForRows(const Frame& frame, const PoolValues& v, int64_t begin, int64_t end, const Body& body) {
  const int64_t in_block = v.in.spatial * v.in.width, out_block = v.out.spatial * v.out.width;
  for (int64_t i = begin; i < end; ++i) {
    const int64_t example = v.training ? i / v.in.blocks : 0;
    const int32_t* rows = frame.at<int32_t>(v.starts) + example * v.starts_each();
    const int32_t* columns = rows + v.out_height + 1;
    const int64_t overlap = v.rule.disjoint ? 0 : 1;
    for (int64_t y = 0; y < v.out_height; ++y) {
      const Row row{.height = rows[y + 1] - rows[y] + overlap,
                    .pixel = v.in.width,
                    .line = v.width * v.in.width,
                    .starts = columns,
                    .outputs = v.out_width,
                    .overlap = overlap};
      for (int64_t c = 0; c < v.in.width; c += kBlock) {
        body(row, i * in_block + rows[y] * row.line + c, i * out_block + y * v.out_width * v.out.width + c,
             std::min<int64_t>(kBlock, v.in.width - c));
      }
    }
  }
}

template <class T>
void RunForward(const Frame& frame, const PoolValues& v) {
  ParallelFor(v.training ? v.in.batch : 1, 16, [&](int64_t begin, int64_t end, int) {
    for (int64_t n = begin; n < end; ++n) {
      int32_t* starts = frame.at<int32_t>(v.starts) + n * v.starts_each();
      const auto example = frame.first_example() + static_cast<uint32_t>(n);
      v.rule.Draw(v.random, frame.step(), example, 0, v.height, starts);
      v.rule.Draw(v.random, frame.step(), example, 1, v.width, starts + v.out_height + 1);
    }
  });
  ParallelFor(v.in.batch * v.in.blocks, 1, [&](int64_t begin, int64_t end, int) {
    ForRows(frame, v, begin, end, [&](const Row& row, int64_t in, int64_t out, int64_t channels) {
      const T* x = frame.at<T>(v.x) + in;
      T* y = frame.at<T>(v.y) + out;
      uint8_t* places = frame.at<uint8_t>(v.places) + out;
      v.in.width == 1 ? PoolLine(row, x, y, places) : PoolRow(row, x, channels, y, places);
    });
  });
}

template <class T>
void RunBackward(const Frame& frame, const PoolValues& v) {
  const int64_t block = v.in.spatial * v.in.width;
  ParallelFor(v.in.batch * v.in.blocks, 1, [&](int64_t begin, int64_t end, int) {
    std::fill(frame.at<T>(v.dx) + begin * block, frame.at<T>(v.dx) + end * block, T{});
    ForRows(frame, v, begin, end, [&](const Row& row, int64_t in, int64_t out, int64_t channels) {
      const T* dy = frame.at<T>(v.dy) + out;
      const uint8_t* places = frame.at<uint8_t>(v.places) + out;
      T* dx = frame.at<T>(v.dx) + in;
      v.in.width == 1 ? SpreadLine(row, dy, places, dx) : SpreadRow(row, dy, places, channels, dx);
    });
  });
}

class FractionalMaxPoolLayer : public Layer {
 public:
  explicit FractionalMaxPoolLayer(const v1::FractionalMaxPool& config)
      : rule_{.sequence = config.sequence(), .disjoint = config.disjoint(), .ratio = config.ratio()} {}

  LayerShape Infer(absl::Span<const Shape> inputs, const FieldErrors& errors) const override {
    LayerShape shape;
    const Shape* input = SingleImage(inputs, errors);
    if (input == nullptr) return shape;
    if ((*input)[1] > kMaxPixels || (*input)[2] > kMaxPixels) {
      errors.Add(absl::StrCat("takes images of at most ", kMaxPixels, " rows and columns, not ", ToString(*input)));
      return shape;
    }
    shape.output = {(*input)[0], rule_.Outputs((*input)[1]), rule_.Outputs((*input)[2])};
    const int64_t side = rule_.disjoint ? kSide - 1 : kSide;
    shape.forward_flops = CheckedFlops(Elements(shape.output), 0, side * side, errors);
    return shape;
  }

  LayerTraits traits() const override {
    return {.homogeneous = true, .purpose = kPoolPurpose, .random_in_inference = true};
  }

  absl::StatusOr<BackwardPlan> Plan(Planner& planner) const override {
    const PlacedValue x = PlacedInput(planner);
    const Shape& input = planner.InputShape();
    PoolValues v;
    v.rule = rule_;
    v.x = x.value;
    v.in = x.layout;
    v.height = input[1];
    v.width = input[2];
    v.out_height = rule_.Outputs(v.height);
    v.out_width = rule_.Outputs(v.width);
    v.training = planner.training();
    // At test time whatever the model is, was trained with or is asked together with, it sees the same regions.
    v.random = RandomStream(v.training ? planner.seed() : 0, kPoolPurpose, StreamOf(planner.layer_name()));
    const dnnl::memory::desc desc = planner.Desc(x.value);
    const dnnl::memory::desc out_desc =
        InFormatOf(desc, {planner.batch(), input[0], v.out_height, v.out_width}, x.layout.type);
    v.out = v.in;
    v.out.spatial = v.out_height * v.out_width;
    v.y = planner.New(out_desc);
    v.starts = planner.New(onednn::Plain({v.training ? planner.batch() : 1, v.starts_each()}, Type::s32));
    v.places = planner.New(onednn::Plain({v.out.stored_elements()}, Type::u8));
    const bool bf16 = v.in.type == Type::bf16;
    planner.Run("fractional max pool", {v.x}, {v.starts, v.places, v.y},
                [=](const Frame& frame) { bf16 ? RunForward<Bfloat16>(frame, v) : RunForward<float>(frame, v); });
    planner.SetOutput(v.y);
    if (!planner.training()) return BackwardPlan();
    return BackwardPlan([=](Planner& back) {
      if (!back.NeedsInputGradient()) return absl::OkStatus();
      PoolValues b = v;
      b.dy = GradientAs(back, out_desc);
      b.dx = back.New(desc);
      back.Run("fractional max pool gradient", {b.dy, b.starts, b.places}, {b.dx},
               [=](const Frame& frame) { bf16 ? RunBackward<Bfloat16>(frame, b) : RunBackward<float>(frame, b); });
      GiveInputGradient(back, 0, b.dx);
      return absl::OkStatus();
    });
  }

 private:
  const RegionRule rule_;
};

const Registered<Layer, v1::FractionalMaxPool> kFractionalMaxPool(
    "The largest value of regions of random sizes (slide 95).",
    [](v1::FractionalMaxPool& config, const FieldErrors& errors) -> std::unique_ptr<Layer> {
      const int before = errors.count();
      if (!config.has_ratio()) config.set_ratio(1.4142135623730951);
      Require(config.ratio() > 1 && config.ratio() <= 2, errors, "ratio", "in (1, 2]", config.ratio());
      if (config.sequence() == v1::FractionalMaxPool::SEQUENCE_UNSPECIFIED) {
        config.set_sequence(v1::FractionalMaxPool::SEQUENCE_RANDOM);
      }
      if (config.sequence() != v1::FractionalMaxPool::SEQUENCE_RANDOM &&
          config.sequence() != v1::FractionalMaxPool::SEQUENCE_PSEUDO_RANDOM) {
        errors.At("sequence").Add("must be RANDOM or PSEUDO_RANDOM");
      }
      return errors.count() > before ? nullptr : std::make_unique<FractionalMaxPoolLayer>(config);
    });

}  // namespace
}  // namespace traind::core
