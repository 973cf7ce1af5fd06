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
#include "core/layers/group_norm_loops.h"
#include "core/layers/normalization.h"

namespace traind::core {
namespace {

using group_norm::Factors;
using group_norm::ForColumns;
using onednn::Type;

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

// --- Of one example. `saved` and `sums` are its part of the values of that name.

// Writes `saved`. Where a group's values are next to each other they are one run, else the channels' moments are put
// together.
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
void Normalize(const GroupNormValues& v, const T* x, const float* saved, const float* weight, const float* bias, T* y) {
  const Layout& layout = v.x.layout;
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

// Writes `sums`.
template <class T>
void SumChannels(const GroupNormValues& v, const T* x, const T* dy, const float* saved, float* sums) {
  const Layout& layout = v.x.layout;
  ForColumns(layout, [&](int64_t channel, int64_t channels, int64_t offset) {
    double d[kColumns] = {}, dx[kColumns] = {};
    float mean[kColumns];
    for (int64_t c = 0; c < channels; ++c) mean[c] = saved[(channel + c) / v.group_size() * 2];
    layout.width == 1
        ? group_norm::SumRun(x + offset, dy + offset, mean[0], layout.spatial, d, dx)
        : group_norm::SumRows(x + offset, dy + offset, mean, layout.spatial, layout.width, channels, d, dx);
    for (int64_t c = 0; c < channels; ++c) {
      sums[2 * (channel + c)] = static_cast<float>(d[c]);
      sums[2 * (channel + c) + 1] =
          static_cast<float>(dx[c] * static_cast<double>(saved[(channel + c) / v.group_size() * 2 + 1]));
    }
  });
}

// The means over a group of dy weight, and of dy weight z.
struct GradientMeans {
  double d = 0;
  double dz = 0;
};

GradientMeans MeansOf(const GroupNormValues& v, int64_t group, const float* sums, const float* weight) {
  const int64_t size = v.group_size();
  GradientMeans means;
  for (int64_t k = group * size; k < (group + 1) * size; ++k) {
    means.d += static_cast<double>(weight[k]) * sums[2 * k];
    means.dz += static_cast<double>(weight[k]) * sums[2 * k + 1];
  }
  means.d /= static_cast<double>(size * v.x.layout.spatial);
  means.dz /= static_cast<double>(size * v.x.layout.spatial);
  return means;
}

template <class T>
void InputGradient(const GroupNormValues& v, const T* x, const T* dy, const float* saved, const float* sums,
                   const float* weight, T* dx) {
  const Layout& layout = v.x.layout;
  if (layout.padded()) std::fill(dx, dx + layout.example_stride(), T{});
  int64_t group = -1;
  GradientMeans means;  // Of the group at hand.
  ForColumns(layout, [&](int64_t channel, int64_t channels, int64_t offset) {
    Factors f;
    for (int64_t c = 0; c < channels; ++c) {
      const int64_t of_channel = (channel + c) / v.group_size();
      if (of_channel != group) means = MeansOf(v, of_channel, sums, weight);
      group = of_channel;
      const double r = saved[2 * group + 1];
      f.mean[c] = saved[2 * group];
      f.scale[c] = static_cast<float>(r * weight[channel + c]);
      f.shift[c] = static_cast<float>(r * means.d);
      f.slope[c] = static_cast<float>(r * r * means.dz);
    }
    layout.width == 1 ? GradientRun(x + offset, dy + offset, f, layout.spatial, dx + offset)
                      : GradientRows(x + offset, dy + offset, f, layout.spatial, layout.width, channels, dx + offset);
  });
}

// --- Of a minibatch.

template <class T>
void RunForward(const Frame& frame, const GroupNormValues& v) {
  const int64_t stride = v.x.layout.example_stride();
  ParallelFor(v.x.layout.batch, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t n = begin; n < end; ++n) {
      const T* x = frame.at<T>(v.x.value) + n * stride;
      float* saved = frame.at<float>(v.saved) + 2 * n * v.groups;
      Measure(v, x, saved);
      Normalize(v, x, saved, frame.at<float>(v.weight), frame.at<float>(v.bias), frame.at<T>(v.y) + n * stride);
    }
  });
}

// dweight and dbias from the examples' sums.
void SumExamples(const Frame& frame, const GroupNormValues& v) {
  const Layout& layout = v.x.layout;
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
      SumChannels(v, x, dy, saved, sums);
      if (!v.dx.valid()) continue;
      InputGradient(v, x, dy, saved, sums, frame.at<float>(v.weight), frame.at<T>(v.dx) + n * stride);
    }
  });
  SumExamples(frame, v);
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
    AddScaleAndShift(config_, {channels}, shape);
    shape.forward_flops = CheckedFlops(Elements(*input), 2, 2, errors);  // Two sums; less the mean, scale and shift.
    return shape;
  }

  LayerTraits traits() const override { return {.weight_initializer = "weight_init"}; }

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
