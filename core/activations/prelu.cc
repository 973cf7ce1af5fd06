// y = x for x > 0, else a_c x, with one learned a for each channel (He et al. 2015, slide 29). dy/da = x below 0.
// f(0) = 0, so that padding needs no care.
#include <algorithm>
#include <memory>

#include "core/activations/elementwise_loops.h"
#include "core/base/pieces.h"
#include "core/base/require.h"
#include "core/kinds/activation.h"
#include "core/kinds/placed_value.h"
#include "core/kinds/values.h"

namespace traind::core {
namespace {

// One row of `width` channels for each of `spatial` positions; slope[c] belongs to channel c of the row.
template <class T>
TRAIND_VECTORIZED void ForwardRows(const T* __restrict x, const float* __restrict slope, int64_t spatial, int64_t width,
                                   T* __restrict y) {
  for (int64_t s = 0; s < spatial; ++s, x += width, y += width) {
    for (int64_t c = 0; c < width; ++c) {
      const float v = ToFloat(x[c]);
      y[c] = FromFloat<T>(v > 0.0f ? v : slope[c] * v);
    }
  }
}

// dx, and the sum of dy x over x < 0 added to sums[c].
template <class T>
TRAIND_VECTORIZED void BackwardRows(const T* __restrict x, const T* __restrict dy, const float* __restrict slope,
                                    int64_t spatial, int64_t width, T* __restrict dx, float* __restrict sums) {
  for (int64_t s = 0; s < spatial; ++s, x += width, dy += width, dx += width) {
    for (int64_t c = 0; c < width; ++c) {
      const float v = ToFloat(x[c]), g = ToFloat(dy[c]);
      dx[c] = FromFloat<T>(v > 0.0f ? g : slope[c] * g);
      sums[c] += v > 0.0f ? 0.0f : g * v;
    }
  }
}

// The same where one channel's values are next to each other.
template <class T>
TRAIND_VECTORIZED void ForwardChannel(const T* __restrict x, float slope, int64_t n, T* __restrict y) {
  for (int64_t i = 0; i < n; ++i) {
    const float v = ToFloat(x[i]);
    y[i] = FromFloat<T>(v > 0.0f ? v : slope * v);
  }
}

template <class T>
TRAIND_VECTORIZED float BackwardChannel(const T* __restrict x, const T* __restrict dy, float slope, int64_t n,
                                        T* __restrict dx) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; ++i) {
    const float v = ToFloat(x[i]), g = ToFloat(dy[i]);
    dx[i] = FromFloat<T>(v > 0.0f ? g : slope * g);
    sum += v > 0.0f ? 0.0f : g * v;
  }
  return sum;
}

// The values of one step's kernels.
struct PreluValues {
  PlacedValue x;
  Value slope;         // [channels]
  Value padded_slope;  // [padded_channels], zero beyond the channels.
  Value y;
  Value dy, dx;
  Value sums;    // [pieces, padded_channels]
  Value dslope;  // [channels]
};

void PadSlope(const Frame& frame, const PreluValues& v) {
  const float* slope = frame.at<float>(v.slope);
  float* padded = frame.at<float>(v.padded_slope);
  std::copy(slope, slope + v.x.layout.channels, padded);
  std::fill(padded + v.x.layout.channels, padded + v.x.layout.padded_channels(), 0.0f);
}

template <class T>
void RunForward(const Frame& frame, const PreluValues& v) {
  PadSlope(frame, v);
  const Layout& layout = v.x.layout;
  const int64_t slab = layout.spatial * layout.width;  // One block of one example.
  const float* slope = frame.at<float>(v.padded_slope);
  ParallelFor(layout.batch * layout.blocks, GrainFor(slab), [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      const T* x = frame.at<T>(v.x.value) + i * slab;
      T* y = frame.at<T>(v.y) + i * slab;
      const float* row = slope + i % layout.blocks * layout.width;
      layout.width == 1 ? ForwardChannel(x, *row, slab, y) : ForwardRows(x, row, layout.spatial, layout.width, y);
    }
  });
}

template <class T>
void RunBackward(const Frame& frame, const PreluValues& v) {
  PadSlope(frame, v);
  const Layout& layout = v.x.layout;
  const Pieces pieces(layout.batch);
  const int64_t slab = layout.spatial * layout.width;
  const float* slope = frame.at<float>(v.padded_slope);
  ParallelFor(pieces.count, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t piece = begin; piece < end; ++piece) {
      float* sums = frame.at<float>(v.sums) + piece * layout.padded_channels();
      std::fill(sums, sums + layout.padded_channels(), 0.0f);
      for (int64_t i = pieces.begin(piece) * layout.blocks; i < pieces.end(piece) * layout.blocks; ++i) {
        const T* x = frame.at<T>(v.x.value) + i * slab;
        const T* dy = frame.at<T>(v.dy) + i * slab;
        T* dx = frame.at<T>(v.dx) + i * slab;
        const int64_t channel = i % layout.blocks * layout.width;
        if (layout.width == 1) {
          sums[channel] += BackwardChannel(x, dy, slope[channel], slab, dx);
        } else {
          BackwardRows(x, dy, slope + channel, layout.spatial, layout.width, dx, sums + channel);
        }
      }
    }
  });
  const float* sums = frame.at<float>(v.sums);
  float* dslope = frame.at<float>(v.dslope);
  for (int64_t c = 0; c < layout.channels; ++c) {
    double sum = 0;
    for (int64_t piece = 0; piece < pieces.count; ++piece) sum += sums[piece * layout.padded_channels() + c];
    dslope[c] = static_cast<float>(sum);
  }
}

class PreluActivation final : public Activation {
 public:
  explicit PreluActivation(double initial_slope) : initial_slope_(initial_slope) {}

  LayerShape Infer(absl::Span<const Shape> inputs, const FieldErrors& /*errors*/) const override {
    ParameterSpec slope = {.name = "slope", .shape = {inputs[0][0]}, .initializer = {}};
    slope.initializer.mutable_constant()->set_value(initial_slope_);
    return {.output = inputs[0], .parameters = {slope}, .forward_flops = Elements(inputs[0])};
  }

  LayerTraits traits() const override { return {.homogeneous = true}; }

  absl::StatusOr<BackwardPlan> Plan(Planner& planner) const override {
    PreluValues v;
    v.x = PlacedChannels(planner);
    const Layout layout = v.x.layout;
    const bool bf16 = layout.type == dnnl::memory::data_type::bf16;
    const auto slope_desc = onednn::Plain({layout.channels}, dnnl::memory::data_type::f32);
    const auto padded_desc = onednn::Plain({layout.padded_channels()}, dnnl::memory::data_type::f32);
    v.slope = planner.Parameter("slope", slope_desc);
    v.padded_slope = planner.New(padded_desc);
    v.y = planner.New(planner.Desc(v.x.value));
    planner.Run("prelu", {v.x.value, v.slope}, {v.padded_slope, v.y},
                [=](const Frame& frame) { bf16 ? RunForward<Bfloat16>(frame, v) : RunForward<float>(frame, v); });
    planner.SetOutput(v.y);
    if (!planner.training()) return BackwardPlan();
    return BackwardPlan([=](Planner& backward) {
      PreluValues b = v;
      b.padded_slope = backward.New(padded_desc);
      b.dy = GradientAs(backward, backward.Desc(v.x.value));
      b.dx = backward.New(backward.Desc(v.x.value));
      b.sums = backward.New(
          onednn::Plain({Pieces(layout.batch).count, layout.padded_channels()}, dnnl::memory::data_type::f32));
      b.dslope = backward.ParameterGradient("slope", slope_desc);
      backward.Run("prelu", {b.x.value, b.slope, b.dy}, {b.padded_slope, b.dx, b.sums, b.dslope},
                   [=](const Frame& frame) { bf16 ? RunBackward<Bfloat16>(frame, b) : RunBackward<float>(frame, b); });
      if (backward.NeedsInputGradient()) backward.SetInputGradient(0, b.dx);
      return absl::OkStatus();
    });
  }

 private:
  const double initial_slope_;
};

const Registered<Activation, v1::Prelu> kPrelu(
    "max(a x, x) with a learned a for each channel (slide 29).", [](v1::Prelu& config, const FieldErrors& errors) {
      if (!config.has_initial_slope()) config.set_initial_slope(0.25);
      Require(config.initial_slope() <= 1 && IsFiniteFloat(config.initial_slope()), errors, "initial_slope",
              "finite and at most 1", config.initial_slope());
      return std::make_unique<PreluActivation>(config.initial_slope());
    });

}  // namespace
}  // namespace traind::core
