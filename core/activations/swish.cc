// y = x sigmoid(b x) (Ramachandran et al. 2017, slide 34), b fixed, or one learned b for the layer:
// dy/db = x^2 s (1 - s), with s = sigmoid(b x).
#include <memory>

#include "core/activations/elementwise.h"
#include "core/activations/swish_function.h"
#include "core/base/pieces.h"
#include "core/base/require.h"
#include "core/kinds/values.h"

namespace traind::core {
namespace {

template <class T>
TRAIND_VECTORIZED double BetaGradient(float beta, const T* x, const T* dy, int64_t n) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; ++i) {
    const float v = ToFloat(x[i]);
    const float s = Sigmoid(beta * v);
    sum += static_cast<double>(ToFloat(dy[i]) * (v * v * (s * (1.0f - s))));
  }
  return sum;
}

class LearnedSwish final : public Activation {
 public:
  explicit LearnedSwish(double initial) : initial_(initial) {}

  LayerShape Infer(absl::Span<const Shape> inputs, const FieldErrors& /*errors*/) const override {
    ParameterSpec beta = {.name = "beta", .shape = {1}, .initializer = {}};
    beta.initializer.mutable_constant()->set_value(initial_);
    return {.output = inputs[0], .parameters = {beta}, .forward_flops = Elements(inputs[0])};
  }

  absl::StatusOr<BackwardPlan> Plan(Planner& planner) const override {
    const PlacedValue x = PlacedInput(planner);
    const Value beta = planner.Parameter("beta", ScalarDesc());
    const Value y = planner.New(planner.Desc(x.value));
    const bool bf16 = x.layout.type == dnnl::memory::data_type::bf16;
    planner.Run("swish", {x.value, beta}, {y}, [=](const Frame& frame) {
      bf16 ? Forward<Bfloat16>(frame, x, beta, y) : Forward<float>(frame, x, beta, y);
    });
    planner.SetOutput(y);
    if (!planner.training()) return BackwardPlan();
    return BackwardPlan([=](Planner& backward) {
      const Value dy = GradientAs(backward, backward.Desc(x.value));
      const Value dx = backward.New(backward.Desc(x.value));
      const Value dbeta = backward.ParameterGradient("beta", ScalarDesc());
      backward.Run("swish", {x.value, beta, dy}, {dx, dbeta}, [=](const Frame& frame) {
        bf16 ? Backward<Bfloat16>(frame, x, beta, dy, dx, dbeta) : Backward<float>(frame, x, beta, dy, dx, dbeta);
      });
      if (backward.NeedsInputGradient()) backward.SetInputGradient(0, dx);
      return absl::OkStatus();
    });
  }

 private:
  static dnnl::memory::desc ScalarDesc() { return onednn::Plain({1}, dnnl::memory::data_type::f32); }

  template <class T>
  static void Forward(const Frame& frame, const PlacedValue& x, Value beta, Value y) {
    const SwishFunction swish{*frame.at<float>(beta)};
    ForEachRun(x.layout, frame.at<T>(y), [&](int64_t offset, int64_t n) {
      ForwardLoop(swish, frame.at<T>(x.value) + offset, frame.at<T>(y) + offset, n);
    });
  }

  template <class T>
  static void Backward(const Frame& frame, const PlacedValue& x, Value beta, Value dy, Value dx, Value dbeta) {
    const SwishFunction swish{*frame.at<float>(beta)};
    const Pieces pieces(x.layout.batch);
    const int64_t stride = x.layout.example_stride();
    double sums[Pieces::kMost] = {};
    ParallelFor(pieces.count, 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t piece = begin; piece < end; ++piece) {
        const int64_t first = pieces.begin(piece) * stride;
        const int64_t n = pieces.end(piece) * stride - first;
        sums[piece] = BetaGradient(swish.beta, frame.at<T>(x.value) + first, frame.at<T>(dy) + first, n);
        BackwardLoop(swish, frame.at<T>(x.value) + first, frame.at<T>(dy) + first, frame.at<T>(dx) + first, n);
      }
    });
    double sum = 0;
    for (int64_t piece = 0; piece < pieces.count; ++piece) sum += sums[piece];
    *frame.at<float>(dbeta) = static_cast<float>(sum);
  }

  const double initial_;
};

const Registered<Activation, v1::Swish> kSwish(
    "x sigmoid(b x), with b fixed or learned (slide 34).",
    [](v1::Swish& config, const FieldErrors& errors) -> std::unique_ptr<Activation> {
      if (!config.has_beta()) config.set_beta(1);
      Require(IsFiniteFloat(config.beta()), errors, "beta", "a finite float", config.beta());
      if (config.learned()) return std::make_unique<LearnedSwish>(config.beta());
      return std::make_unique<Elementwise<SwishFunction>>(SwishFunction{static_cast<float>(config.beta())});
    });

}  // namespace
}  // namespace traind::core
