// Layer normalization (Ba, Kiros & Hinton 2016): y_i = weight_i (x_i - mean) / sqrt(var + epsilon) + bias_i over all
// values i of an example; mean and (biased) variance are the example's. Over positions, each of them is an example.
// With d_i = dy_i weight_i, z = (x - mean) r and r = 1 / sqrt(var + epsilon) the gradients are
//   dx_i = r (d_i - mean(d) - z_i mean(d z)),   dweight_i = sum over examples of dy_i z_i,   dbias_i = that of dy_i.
// Weight and bias lie in memory as an example does, in whatever layout it comes, so all loops run over contiguous
// values.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>

#include "core/base/parallel.h"
#include "core/kinds/checks.h"
#include "core/kinds/placed_value.h"
#include "core/kinds/values.h"
#include "core/layers/central_moments.h"
#include "core/layers/normalization.h"
#include "core/onednn/desc.h"
#include "core/tensor/format.h"

namespace traind::core {
namespace {

using onednn::Type;

// Values of one column range whose sums over the examples are on the stack: two arrays of doubles, 4 KiB.
constexpr int64_t kRange = 256;
// The fewest of them that a thread takes.
constexpr int64_t kRangeGrain = 64;

template <class T>
TRAIND_VECTORIZED void Normalize(const T* __restrict x, const float* __restrict weight, const float* __restrict bias,
                                 float mean, float r, int64_t n, T* __restrict y) {
  for (int64_t i = 0; i < n; ++i) y[i] = FromFloat<T>((ToFloat(x[i]) - mean) * r * weight[i] + bias[i]);
}

struct Sums {
  double d = 0;   // Of dy weight.
  double dz = 0;  // Of dy weight z.
};

template <class T>
TRAIND_VECTORIZED Sums SumGradient(const T* __restrict x, const T* __restrict dy, const float* __restrict weight,
                                   float mean, float r, int64_t n) {
  double d_sum = 0, dz_sum = 0;
#pragma omp simd reduction(+ : d_sum, dz_sum)
  for (int64_t i = 0; i < n; ++i) {
    const float d = ToFloat(dy[i]) * weight[i];
    d_sum += d;
    dz_sum += d * ((ToFloat(x[i]) - mean) * r);
  }
  return {.d = d_sum, .dz = dz_sum};
}

template <class T>
TRAIND_VECTORIZED void InputGradient(const T* __restrict x, const T* __restrict dy, const float* __restrict weight,
                                     float mean, float r, Sums means, int64_t n, T* __restrict dx) {
  const float d = static_cast<float>(means.d), dz = static_cast<float>(means.dz);
  for (int64_t i = 0; i < n; ++i) {
    const float z = (ToFloat(x[i]) - mean) * r;
    dx[i] = FromFloat<T>(r * (ToFloat(dy[i]) * weight[i] - d - z * dz));
  }
}

// Adds one example's dy z and dy to the sums of a range.
template <class T>
TRAIND_VECTORIZED void AddGradient(const T* __restrict x, const T* __restrict dy, float mean, float r, int64_t n,
                                   double* __restrict dweight, double* __restrict dbias) {
  for (int64_t i = 0; i < n; ++i) {
    const float g = ToFloat(dy[i]);
    dweight[i] += g * ((ToFloat(x[i]) - mean) * r);
    dbias[i] += g;
  }
}

// The values of one step's kernels.
struct LayerNormValues {
  PlacedValue x;
  Value weight, bias;
  Value saved;  // [batch, 2]: mean and r.
  Value y, dy, dx, dweight, dbias;
  double epsilon = 0;
};

template <class T>
CentralMoments ExampleMoments(const Layout& layout, const T* x) {
  if (!layout.padded()) return RunMoments(x, layout.example_stride());
  const int64_t whole = (layout.blocks - 1) * layout.spatial * layout.width;
  CentralMoments moments;
  if (whole > 0) moments = RunMoments(x, whole);
  const int64_t valid = layout.block_width(layout.blocks - 1);  // Below the width of a block.
  CentralMoments columns[kColumns];
  ColumnMoments(x + whole, layout.spatial, layout.width, valid, columns);
  for (int64_t c = 0; c < valid; ++c) moments.Add(columns[c]);
  return moments;
}

template <class T>
void RunForward(const Frame& frame, const LayerNormValues& v) {
  const Layout& layout = v.x.layout;
  const int64_t stride = layout.example_stride();
  ParallelFor(layout.batch, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t n = begin; n < end; ++n) {
      const T* x = frame.at<T>(v.x.value) + n * stride;
      T* y = frame.at<T>(v.y) + n * stride;
      const CentralMoments moments = ExampleMoments(layout, x);
      const float mean = static_cast<float>(moments.mean);
      const float r = static_cast<float>(1 / std::sqrt(moments.squares / moments.count + v.epsilon));
      frame.at<float>(v.saved)[2 * n] = mean;
      frame.at<float>(v.saved)[2 * n + 1] = r;
      Normalize(x, frame.at<float>(v.weight), frame.at<float>(v.bias), mean, r, stride, y);
      ZeroPadding(layout, y);
    }
  });
}

template <class T>
void RunBackward(const Frame& frame, const LayerNormValues& v) {
  const Layout& layout = v.x.layout;
  const int64_t stride = layout.example_stride();
  const double count = static_cast<double>(layout.channels * layout.spatial);
  const T* all_x = frame.at<T>(v.x.value);
  const T* all_dy = frame.at<T>(v.dy);
  const float* saved = frame.at<float>(v.saved);
  if (v.dx.valid()) {
    ParallelFor(layout.batch, 1, [&](int64_t begin, int64_t end, int) {
      const float* weight = frame.at<float>(v.weight);
      for (int64_t n = begin; n < end; ++n) {
        const T* x = all_x + n * stride;
        const T* dy = all_dy + n * stride;
        const float mean = saved[2 * n], r = saved[2 * n + 1];
        Sums means = SumGradient(x, dy, weight, mean, r, stride);
        means = {.d = means.d / count, .dz = means.dz / count};
        InputGradient(x, dy, weight, mean, r, means, stride, frame.at<T>(v.dx) + n * stride);
        ZeroPadding(layout, frame.at<T>(v.dx) + n * stride);
      }
    });
  }
  ParallelFor(stride, kRangeGrain, [&](int64_t begin, int64_t end, int) {
    for (int64_t first = begin; first < end; first += kRange) {
      const int64_t n = std::min(kRange, end - first);
      double dweight[kRange] = {}, dbias[kRange] = {};
      for (int64_t example = 0; example < layout.batch; ++example) {
        AddGradient(all_x + example * stride + first, all_dy + example * stride + first, saved[2 * example],
                    saved[2 * example + 1], n, dweight, dbias);
      }
      std::transform(dweight, dweight + n, frame.at<float>(v.dweight) + first,
                     [](double sum) { return static_cast<float>(sum); });
      std::transform(dbias, dbias + n, frame.at<float>(v.dbias) + first,
                     [](double sum) { return static_cast<float>(sum); });
    }
  });
}

class LayerNormLayer : public Layer {
 public:
  explicit LayerNormLayer(const v1::LayerNorm& config) : config_(config) {}

  LayerShape Infer(absl::Span<const Shape> inputs, const FieldErrors& errors) const override {
    LayerShape shape;
    const Shape* input = SingleInput(inputs, errors);
    if (input == nullptr) return shape;
    shape.output = *input;
    if (config_.per_position() && SinglePositions(inputs, errors) == nullptr) return shape;
    AddScaleAndShift(config_, config_.per_position() ? Shape{(*input)[0]} : *input, shape);
    shape.forward_flops = CheckedFlops(Elements(*input), 2, 2, errors);  // Two sums; less the mean, scale and shift.
    return shape;
  }

  LayerTraits traits() const override { return {.weight_initializer = "weight_init"}; }

  absl::StatusOr<BackwardPlan> Plan(Planner& planner) const override {
    LayerNormValues v;
    v.x = config_.per_position() ? Rows(planner) : PlacedInput(planner);
    v.epsilon = config_.epsilon();
    const bool bf16 = v.x.layout.type == Type::bf16;
    const dnnl::memory::desc desc = planner.Desc(v.x.value);
    onednn::Dims dims = onednn::DimsOf(desc);
    dims[0] = 1;
    const dnnl::memory::desc parameter = InFormatOf(desc, dims, Type::f32);
    v.weight = planner.Parameter("weight", parameter);
    v.bias = planner.Parameter("bias", parameter);
    v.saved = planner.New(onednn::Plain({v.x.layout.batch, 2}, Type::f32));
    v.y = planner.New(desc);
    planner.Run("layer norm", {v.x.value, v.weight, v.bias}, {v.saved, v.y},
                [=](const Frame& frame) { bf16 ? RunForward<Bfloat16>(frame, v) : RunForward<float>(frame, v); });
    const bool rows = config_.per_position();
    const Shape shape = planner.OutputShape();
    planner.SetOutput(rows ? FromRows(planner, v.y, shape) : v.y);
    if (!planner.training()) return BackwardPlan();
    return BackwardPlan([=](Planner& back) {
      LayerNormValues b = v;
      b.dy = rows ? GradientRows(back, shape) : GradientAs(back, desc);
      b.dweight = back.ParameterGradient("weight", parameter);
      b.dbias = back.ParameterGradient("bias", parameter);
      std::vector<Value> writes = {b.dweight, b.dbias};
      if (back.NeedsInputGradient()) writes.push_back(b.dx = back.New(desc));
      back.Run("layer norm gradient", {b.x.value, b.weight, b.saved, b.dy}, writes,
               [=](const Frame& frame) { bf16 ? RunBackward<Bfloat16>(frame, b) : RunBackward<float>(frame, b); });
      if (b.dx.valid()) GiveInputGradient(back, 0, rows ? FromRows(back, b.dx, shape) : b.dx);
      return absl::OkStatus();
    });
  }

 private:
  static PlacedValue Rows(Planner& planner) {
    const Value rows = RowsOf(planner, planner.Input());
    return {.value = rows, .layout = *Layout::Of(planner.Desc(rows))};
  }

  const v1::LayerNorm config_;
};

const Registered<Layer, v1::LayerNorm> kLayerNorm(
    "Normalizes each example over all its values, or each position over its channels, then scales and shifts.",
    [](v1::LayerNorm& config, const FieldErrors& errors) -> std::unique_ptr<Layer> {
      const int before = errors.count();
      ResolveNormalization(config, errors);
      return errors.count() > before ? nullptr : std::make_unique<LayerNormLayer>(config);
    });

}  // namespace
}  // namespace traind::core
