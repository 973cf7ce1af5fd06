// Group normalization (Wu & He 2018): the channels of an example in groups of neighbours, and for a value of channel c
// in group g: y = weight_c (x - mean_g) / sqrt(var_g + epsilon) + bias_c; mean and (biased) variance are those of the
// group's values in this example. With z = (x - mean) r, r = 1 / sqrt(var + epsilon), the gradients are
//   dx = r (dy weight - mean_g(dy weight) - z mean_g(dy weight z)),
//   dweight_c = sum over examples and pixels of dy z,   dbias_c = that of dy.
// All sums come from two sums for each channel of each example, which one pass over the image takes.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/parallel.h"
#include "core/kinds/checks.h"
#include "core/kinds/placed_value.h"
#include "core/kinds/values.h"
#include "core/layers/central_moments.h"
#include "core/layers/normalization.h"

namespace traind::core {
namespace {

using onednn::Type;

// What a loop knows of the columns it runs over: columns are channels, or there is one column for a run of pixels.
struct Factors {
  float mean[kColumns];
  float scale[kColumns];  // Forward: r weight.
  float shift[kColumns];  // Forward: bias. Backward: r mean(dy weight).
  float slope[kColumns];  // Backward: r^2 mean(dy weight z).
};

template <class T>
TRAIND_VECTORIZED void NormalizeRows(const T* __restrict x, const Factors& f, int64_t rows, int64_t stride,
                                     int64_t columns, T* __restrict y) {
  for (int64_t s = 0; s < rows; ++s, x += stride, y += stride) {
    for (int64_t c = 0; c < columns; ++c) y[c] = FromFloat<T>((ToFloat(x[c]) - f.mean[c]) * f.scale[c] + f.shift[c]);
  }
}

template <class T>
TRAIND_VECTORIZED void NormalizeRun(const T* __restrict x, const Factors& f, int64_t n, T* __restrict y) {
  const float mean = f.mean[0], scale = f.scale[0], shift = f.shift[0];
  for (int64_t i = 0; i < n; ++i) y[i] = FromFloat<T>((ToFloat(x[i]) - mean) * scale + shift);
}

// Sums of dy, and of dy (x - mean), for each column.
template <class T>
TRAIND_VECTORIZED void SumRows(const T* __restrict x, const T* __restrict dy, const float* __restrict mean,
                               int64_t rows, int64_t stride, int64_t columns, double* __restrict d,
                               double* __restrict dx) {
  for (int64_t s = 0; s < rows; ++s, x += stride, dy += stride) {
    for (int64_t c = 0; c < columns; ++c) {
      const float g = ToFloat(dy[c]);
      d[c] += g;
      dx[c] += static_cast<double>(g) * (ToFloat(x[c]) - mean[c]);
    }
  }
}

template <class T>
TRAIND_VECTORIZED void SumRun(const T* __restrict x, const T* __restrict dy, float mean, int64_t n, double* d,
                              double* dx) {
  double d_sum = 0, dx_sum = 0;
#pragma omp simd reduction(+ : d_sum, dx_sum)
  for (int64_t i = 0; i < n; ++i) {
    const float g = ToFloat(dy[i]);
    d_sum += g;
    dx_sum += static_cast<double>(g) * (ToFloat(x[i]) - mean);
  }
  *d = d_sum;
  *dx = dx_sum;
}

template <class T>
TRAIND_VECTORIZED void GradientRows(const T* __restrict x, const T* __restrict dy, const Factors& f, int64_t rows,
                                    int64_t stride, int64_t columns, T* __restrict dx) {
  for (int64_t s = 0; s < rows; ++s, x += stride, dy += stride, dx += stride) {
    for (int64_t c = 0; c < columns; ++c) {
      dx[c] = FromFloat<T>(ToFloat(dy[c]) * f.scale[c] - f.shift[c] - (ToFloat(x[c]) - f.mean[c]) * f.slope[c]);
    }
  }
}

template <class T>
TRAIND_VECTORIZED void GradientRun(const T* __restrict x, const T* __restrict dy, const Factors& f, int64_t n,
                                   T* __restrict dx) {
  const float mean = f.mean[0], scale = f.scale[0], shift = f.shift[0], slope = f.slope[0];
  for (int64_t i = 0; i < n; ++i) {
    dx[i] = FromFloat<T>(ToFloat(dy[i]) * scale - shift - (ToFloat(x[i]) - mean) * slope);
  }
}

// The values of one step's kernels.
struct GroupNormValues {
  PlacedValue x;
  int64_t groups = 1;
  double epsilon = 0;
  Value weight, bias;  // [channels]
  Value saved;         // [batch, groups, 2]: mean and r.
  Value y, dy, dx;
  Value sums;  // [batch, channels, 2]: of dy and of dy z.
  Value dweight, dbias;

  int64_t group_size() const { return x.layout.channels / groups; }
};

// Calls body(first channel, channels, offset of the first value) for the columns of an example: up to kColumns channels
// that lie next to each other, or one channel where pixels do.
template <class Body>
void ForColumns(const Layout& layout, const Body& body) {
  for (int64_t block = 0; block < layout.blocks; ++block) {
    const int64_t valid = layout.block_width(block);
    for (int64_t c = 0; c < valid; c += kColumns) {
      body(block * layout.width + c, std::min(kColumns, valid - c), block * layout.spatial * layout.width + c);
    }
  }
}

// Where a group's values are next to each other they are one run, else the channels' moments are put together.
template <class T>
void Measure(const GroupNormValues& v, const T* x, float* saved) {
  const Layout& layout = v.x.layout;
  const int64_t size = v.group_size();
  const auto save = [&](int64_t group, const CentralMoments& moments) {
    saved[2 * group] = static_cast<float>(moments.mean);
    saved[2 * group + 1] = static_cast<float>(1 / std::sqrt(moments.squares / moments.count + v.epsilon));
  };
  const bool whole = v.groups == 1 && !layout.padded();
  if (layout.width == 1 || layout.spatial == 1 || whole) {
    for (int64_t g = 0; g < v.groups; ++g) {
      save(g, RunMoments(x + g * size * layout.spatial, size * layout.spatial));
    }
    return;
  }
  CentralMoments group;
  ForColumns(layout, [&](int64_t channel, int64_t channels, int64_t offset) {
    CentralMoments columns[kColumns];
    ColumnMoments(x + offset, layout.spatial, layout.width, channels, columns);
    for (int64_t c = 0; c < channels; ++c) {
      group.Add(columns[c]);
      if ((channel + c + 1) % size != 0) continue;
      save((channel + c) / size, group);
      group = CentralMoments();
    }
  });
}

template <class T>
void RunForward(const Frame& frame, const GroupNormValues& v) {
  const Layout& layout = v.x.layout;
  const float* weight = frame.at<float>(v.weight);
  const float* bias = frame.at<float>(v.bias);
  ParallelFor(layout.batch, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t n = begin; n < end; ++n) {
      const T* x = frame.at<T>(v.x.value) + n * layout.example_stride();
      T* y = frame.at<T>(v.y) + n * layout.example_stride();
      float* saved = frame.at<float>(v.saved) + 2 * n * v.groups;
      Measure(v, x, saved);
      if (layout.padded()) std::fill(y, y + layout.example_stride(), T{});
      ForColumns(layout, [&](int64_t channel, int64_t channels, int64_t offset) {
        Factors f;
        for (int64_t c = 0; c < channels; ++c) {
          const float* of_group = saved + (channel + c) / v.group_size() * 2;
          f.mean[c] = of_group[0];
          f.scale[c] = of_group[1] * weight[channel + c];
          f.shift[c] = bias[channel + c];
        }
        layout.width == 1 ? NormalizeRun(x + offset, f, layout.spatial, y + offset)
                          : NormalizeRows(x + offset, f, layout.spatial, layout.width, channels, y + offset);
      });
    }
  });
}

// Both sums of every channel of one example; `d` and `dz` of each group, weighted, added to `of_groups`.
template <class T>
void SumExample(const GroupNormValues& v, const T* x, const T* dy, const float* saved, float* sums) {
  const Layout& layout = v.x.layout;
  ForColumns(layout, [&](int64_t channel, int64_t channels, int64_t offset) {
    double d[kColumns] = {}, dx[kColumns] = {};
    float mean[kColumns];
    for (int64_t c = 0; c < channels; ++c) mean[c] = saved[(channel + c) / v.group_size() * 2];
    layout.width == 1 ? SumRun(x + offset, dy + offset, mean[0], layout.spatial, d, dx)
                      : SumRows(x + offset, dy + offset, mean, layout.spatial, layout.width, channels, d, dx);
    for (int64_t c = 0; c < channels; ++c) {
      sums[2 * (channel + c)] = static_cast<float>(d[c]);
      sums[2 * (channel + c) + 1] =
          static_cast<float>(dx[c] * static_cast<double>(saved[(channel + c) / v.group_size() * 2 + 1]));
    }
  });
}

template <class T>
void GradientOfExample(const GroupNormValues& v, const T* x, const T* dy, const float* saved, const float* sums,
                       const float* weight, T* dx) {
  const Layout& layout = v.x.layout;
  const int64_t size = v.group_size();
  if (layout.padded()) std::fill(dx, dx + layout.example_stride(), T{});
  int64_t group = -1;
  double d = 0, dz = 0;  // The means of the group at hand.
  ForColumns(layout, [&](int64_t channel, int64_t channels, int64_t offset) {
    Factors f;
    for (int64_t c = 0; c < channels; ++c) {
      if ((channel + c) / size != group) {
        group = (channel + c) / size;
        d = dz = 0;
        for (int64_t k = group * size; k < (group + 1) * size; ++k) {
          d += static_cast<double>(weight[k]) * sums[2 * k];
          dz += static_cast<double>(weight[k]) * sums[2 * k + 1];
        }
        d /= static_cast<double>(size * layout.spatial);
        dz /= static_cast<double>(size * layout.spatial);
      }
      const double r = saved[2 * group + 1];
      f.mean[c] = saved[2 * group];
      f.scale[c] = static_cast<float>(r * weight[channel + c]);
      f.shift[c] = static_cast<float>(r * d);
      f.slope[c] = static_cast<float>(r * r * dz);
    }
    layout.width == 1 ? GradientRun(x + offset, dy + offset, f, layout.spatial, dx + offset)
                      : GradientRows(x + offset, dy + offset, f, layout.spatial, layout.width, channels, dx + offset);
  });
}

template <class T>
void RunBackward(const Frame& frame, const GroupNormValues& v) {
  const Layout& layout = v.x.layout;
  const int64_t stride = layout.example_stride();
  ParallelFor(layout.batch, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t n = begin; n < end; ++n) {
      const T* x = frame.at<T>(v.x.value) + n * stride;
      const T* dy = frame.at<T>(v.dy) + n * stride;
      const float* saved = frame.at<float>(v.saved) + 2 * n * v.groups;
      float* sums = frame.at<float>(v.sums) + 2 * n * layout.channels;
      SumExample(v, x, dy, saved, sums);
      if (v.dx.valid()) {
        GradientOfExample(v, x, dy, saved, sums, frame.at<float>(v.weight), frame.at<T>(v.dx) + n * stride);
      }
    }
  });
  for (int64_t c = 0; c < layout.channels; ++c) {
    double dbias = 0, dweight = 0;
    for (int64_t n = 0; n < layout.batch; ++n) {
      const float* sums = frame.at<float>(v.sums) + 2 * (n * layout.channels + c);
      dbias += sums[0];
      dweight += sums[1];
    }
    frame.at<float>(v.dbias)[c] = static_cast<float>(dbias);
    frame.at<float>(v.dweight)[c] = static_cast<float>(dweight);
  }
}

class GroupNormLayer : public Layer {
 public:
  explicit GroupNormLayer(const v1::GroupNorm& config) : config_(config) {}

  LayerShape Infer(absl::Span<const Shape> inputs, const FieldErrors& errors) const override {
    LayerShape shape;
    const Shape* input = SingleInput(inputs, errors);
    if (input == nullptr) return shape;
    const int64_t channels = (*input)[0];
    if (channels % config_.groups() != 0) {
      errors.At("groups").Add(absl::StrCat(config_.groups(), " does not divide the ", channels, " channels"));
    }
    shape.output = *input;
    shape.parameters.push_back({.name = "weight", .shape = {channels}, .initializer = config_.weight_init()});
    shape.parameters.push_back({.name = "bias", .shape = {channels}, .initializer = config_.bias_init()});
    shape.forward_flops = CheckedFlops(Elements(*input), 2, 2, errors);  // Two sums; less the mean, scale and shift.
    return shape;
  }

  absl::StatusOr<BackwardPlan> Plan(Planner& planner) const override {
    GroupNormValues v;
    v.x = PlacedChannels(planner);
    v.groups = config_.groups();
    v.epsilon = config_.epsilon();
    const int64_t channels = v.x.layout.channels;
    const bool bf16 = v.x.layout.type == Type::bf16;
    const dnnl::memory::desc desc = planner.Desc(v.x.value);
    const dnnl::memory::desc parameter = onednn::Plain({channels}, Type::f32);
    v.weight = planner.Parameter("weight", parameter);
    v.bias = planner.Parameter("bias", parameter);
    v.saved = planner.New(onednn::Plain({planner.batch(), v.groups, 2}, Type::f32));
    v.y = planner.New(desc);
    planner.Run("group norm", {v.x.value, v.weight, v.bias}, {v.saved, v.y},
                [=](const Frame& frame) { bf16 ? RunForward<Bfloat16>(frame, v) : RunForward<float>(frame, v); });
    planner.SetOutput(v.y);
    if (!planner.training()) return BackwardPlan();
    return BackwardPlan([=](Planner& back) {
      GroupNormValues b = v;
      b.dy = GradientAs(back, desc);
      b.sums = back.New(onednn::Plain({back.batch(), channels, 2}, Type::f32));
      b.dweight = back.ParameterGradient("weight", parameter);
      b.dbias = back.ParameterGradient("bias", parameter);
      std::vector<Value> writes = {b.sums, b.dweight, b.dbias};
      if (back.NeedsInputGradient()) writes.push_back(b.dx = back.New(desc));
      back.Run("group norm gradient", {b.x.value, b.weight, b.saved, b.dy}, writes,
               [=](const Frame& frame) { bf16 ? RunBackward<Bfloat16>(frame, b) : RunBackward<float>(frame, b); });
      if (b.dx.valid()) GiveInputGradient(back, 0, b.dx);
      return absl::OkStatus();
    });
  }

 private:
  const v1::GroupNorm config_;
};

const Registered<Layer, v1::GroupNorm> kGroupNorm(
    "Normalizes each group of channels of each example, then scales and shifts each channel.",
    [](v1::GroupNorm& config, const FieldErrors& errors) -> std::unique_ptr<Layer> {
      const int before = errors.count();
      CheckChannels(config.groups(), errors.At("groups"));
      ResolveNormalization(config, errors);
      return errors.count() > before ? nullptr : std::make_unique<GroupNormLayer>(config);
    });

}  // namespace
}  // namespace traind::core
