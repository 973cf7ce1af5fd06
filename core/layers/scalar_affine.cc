// y = weight x + bias, one number each for the whole layer: the scalars of Fixup (Zhang et al. 2019, slide 66).
//   dx = weight dy,   dweight = sum of x dy,   dbias = sum of dy
#include <algorithm>
#include <memory>

#include "core/base/bfloat16.h"
#include "core/base/parallel.h"
#include "core/base/pieces.h"
#include "core/base/require.h"
#include "core/base/vectorize.h"
#include "core/kinds/checks.h"
#include "core/kinds/placed_value.h"
#include "core/kinds/planner.h"
#include "core/kinds/values.h"
#include "core/onednn/desc.h"

namespace traind::core {
namespace {

template <class T>
TRAIND_VECTORIZED void AffineLoop(const T* __restrict x, float weight, float bias, T* __restrict y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = FromFloat<T>(weight * ToFloat(x[i]) + bias);
}

template <class T>
TRAIND_VECTORIZED float Sum(const T* __restrict a, int64_t n) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; ++i) sum += ToFloat(a[i]);
  return sum;
}

template <class T>
TRAIND_VECTORIZED float SumOfProducts(const T* __restrict a, const T* __restrict b, int64_t n) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; ++i) sum += ToFloat(a[i]) * ToFloat(b[i]);
  return sum;
}

// The values of one step's kernels; weight, bias and their gradients are invalid where the layer has none.
struct Affine {
  Layout layout;
  Value x, y;
  Value weight = {}, bias = {};
  Value dy = {}, dx = {}, dweight = {}, dbias = {};
  Value sums = {};  // [pieces, 2] of dweight and dbias, in float.

  float Number(const Frame& frame, Value value, float fallback) const {
    return value.valid() ? *frame.at<float>(value) : fallback;
  }

  template <class T>
  void Forward(const Frame& frame) const {
    const int64_t slab = layout.spatial * layout.width;  // One block of one example.
    const float w = Number(frame, weight, 1), b = Number(frame, bias, 0);
    ParallelFor(layout.batch * layout.blocks, GrainFor(slab), [&](int64_t begin, int64_t end, int) {
      T* to = frame.at<T>(y);
      AffineLoop(frame.at<T>(x) + begin * slab, w, b, to + begin * slab, (end - begin) * slab);
      // The bias went into the padding, too. The thread that has an example's last block mends it.
      for (int64_t n = begin / layout.blocks; n < end / layout.blocks; ++n) {
        ZeroPadding(layout, to + n * layout.example_stride());
      }
    });
  }

  // Gradients have zeros in their padding, which add nothing.
  template <class T>
  void Backward(const Frame& frame) const {
    const Pieces pieces(layout.batch);
    const int64_t slab = layout.spatial * layout.width;
    const float w = Number(frame, weight, 1);
    ParallelFor(pieces.count, 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t piece = begin; piece < end; ++piece) {
        double products = 0, sum = 0;
        for (int64_t i = pieces.begin(piece) * layout.blocks; i < pieces.end(piece) * layout.blocks; ++i) {
          const T* from = frame.at<T>(dy) + i * slab;
          if (dweight.valid()) products += SumOfProducts(frame.at<T>(x) + i * slab, from, slab);
          if (dbias.valid()) sum += Sum(from, slab);
          if (dx.valid()) AffineLoop(from, w, 0, frame.at<T>(dx) + i * slab, slab);
        }
        float* of_piece = frame.at<float>(sums) + 2 * piece;
        of_piece[0] = static_cast<float>(products);
        of_piece[1] = static_cast<float>(sum);
      }
    });
    double products = 0, sum = 0;
    for (int64_t piece = 0; piece < pieces.count; ++piece) {
      products += frame.at<float>(sums)[2 * piece];
      sum += frame.at<float>(sums)[2 * piece + 1];
    }
    if (dweight.valid()) *frame.at<float>(dweight) = static_cast<float>(products);
    if (dbias.valid()) *frame.at<float>(dbias) = static_cast<float>(sum);
  }
};

class ScalarAffineLayer final : public Layer {
 public:
  explicit ScalarAffineLayer(const v1::ScalarAffine& config) : config_(config) {}

  LayerShape Infer(absl::Span<const Shape> inputs, const FieldErrors& errors) const override {
    LayerShape shape;
    const Shape* input = SingleInput(inputs, errors);
    if (input == nullptr) return shape;
    shape.output = *input;
    if (config_.weight()) {
      shape.parameters.push_back({.name = "weight",
                                  .shape = {1},
                                  .initializer = ConstantInitializer(1),
                                  .learning_rate_factor = config_.learning_rate_factor()});
    }
    if (config_.bias()) {
      shape.parameters.push_back({.name = "bias",
                                  .shape = {1},
                                  .initializer = ZerosInitializer(),
                                  .learning_rate_factor = config_.learning_rate_factor()});
    }
    shape.forward_flops = CheckedFlops(Elements(*input), 1, 0, errors);
    return shape;
  }

  LayerTraits traits() const override { return {.linear = true, .channelwise = true}; }

  absl::StatusOr<BackwardPlan> Plan(Planner& planner) const override {
    const dnnl::memory::desc number = onednn::Plain({1}, dnnl::memory::data_type::f32);
    const PlacedValue source = PlacedInput(planner);
    const dnnl::memory::desc desc = planner.Desc(source.value);
    const bool bf16 = source.layout.type == dnnl::memory::data_type::bf16;
    Affine affine{.layout = source.layout, .x = source.value, .y = planner.New(desc)};
    if (config_.weight()) affine.weight = planner.Parameter("weight", number);
    if (config_.bias()) affine.bias = planner.Parameter("bias", number);
    planner.Run("scalar affine", {affine.x, affine.weight, affine.bias}, {affine.y},
                [=](const Frame& frame) { bf16 ? affine.Forward<Bfloat16>(frame) : affine.Forward<float>(frame); });
    planner.SetOutput(affine.y);
    if (!planner.training()) return BackwardPlan();
    return [=, this](Planner& back) {
      Affine a = affine;
      a.dy = GradientAs(back, desc);
      if (config_.weight()) a.dweight = back.ParameterGradient("weight", number);
      if (config_.bias()) a.dbias = back.ParameterGradient("bias", number);
      // Without a weight the gradient passes as it is.
      if (config_.weight() && back.NeedsInputGradient()) a.dx = back.New(desc);
      a.sums = back.New(onednn::Plain({Pieces(a.layout.batch).count, 2}, dnnl::memory::data_type::f32));
      const Value x = config_.weight() ? a.x : Value();
      back.Run("scalar affine gradient", {x, a.weight, a.dy}, {a.dx, a.dweight, a.dbias, a.sums},
               [=](const Frame& frame) { bf16 ? a.Backward<Bfloat16>(frame) : a.Backward<float>(frame); });
      if (back.NeedsInputGradient()) GiveInputGradient(back, 0, config_.weight() ? a.dx : a.dy);
      return absl::OkStatus();
    };
  }

 private:
  const v1::ScalarAffine config_;
};

const Registered<Layer, v1::ScalarAffine> kScalarAffine(
    "One learned scale and one learned offset for the whole layer: the scalars of Fixup (slide 66).",
    [](v1::ScalarAffine& config, const FieldErrors& errors) -> std::unique_ptr<Layer> {
      if (!config.has_weight()) config.set_weight(true);
      if (!config.has_bias()) config.set_bias(true);
      if (!config.has_learning_rate_factor()) config.set_learning_rate_factor(0.1);
      Require(IsPositiveFloat(config.learning_rate_factor()) && config.learning_rate_factor() <= 1000, errors,
              "learning_rate_factor", "above 0 and at most 1000", config.learning_rate_factor());
      if (config.weight() || config.bias()) return std::make_unique<ScalarAffineLayer>(config);
      errors.Add("must have a weight or a bias");
      return nullptr;
    });

}  // namespace
}  // namespace traind::core
