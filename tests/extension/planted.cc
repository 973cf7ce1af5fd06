// The components of planted.proto. No file of traind names them.
#include <cmath>
#include <memory>

#include "core/activations/elementwise.h"
#include "core/base/parallel.h"
#include "core/base/random.h"
#include "core/base/require.h"
#include "core/kinds/checks.h"
#include "core/kinds/loss.h"
#include "core/kinds/placed_value.h"
#include "core/kinds/values.h"
#include "core/losses/example_sum.h"
#include "core/onednn/desc.h"
#include "tests/extension/planted.pb.h"

namespace planted {
namespace {

using namespace traind::core;  // As a file of somebody else's would have it.

struct WitchFunction {
  static constexpr auto kSource = Activation::Source::kInput;
  float scale;
  TRAIND_INLINE float Forward(float x) const { return scale * x / (1 + x * x); }
  TRAIND_INLINE float Derivative(float x) const { return scale * (1 - x * x) / ((1 + x * x) * (1 + x * x)); }
};

const Registered<Activation, Witch> kWitch("x / (1 + x^2).", [](Witch& config, const FieldErrors& errors) {
  if (!config.has_scale()) config.set_scale(2);
  Require(config.scale() > 0, errors, "scale", "above 0", config.scale());
  return std::make_unique<Elementwise<WitchFunction>>(WitchFunction{static_cast<float>(config.scale())});
});

// Keeps the noisy weights of its forward pass for the backward one: memory that a bound must know.
class NoisyScaleLayer final : public Layer {
 public:
  explicit NoisyScaleLayer(const NoisyScale& config) : noise_(static_cast<float>(config.noise())) {}

  LayerShape Infer(absl::Span<const Shape> inputs, const FieldErrors& errors) const override {
    LayerShape shape = SameShape(inputs, /*flops_each=*/1, errors);
    if (shape.output.empty()) return shape;
    shape.parameters.push_back(
        {.name = "weight", .shape = {shape.output[0]}, .initializer = ConstantInitializer(1), .penalized = true});
    return shape;
  }

  LayerTraits traits() const override {
    return {.channelwise = true, .weight_initializer = "weight_init", .purpose = kPurpose};
  }

  absl::StatusOr<BackwardPlan> Plan(Planner& planner) const override {
    const PlacedValue source = PlacedInput(planner);
    const Layout layout = source.layout;
    const dnnl::memory::desc desc = planner.Desc(source.value);
    const dnnl::memory::desc weights = onednn::Plain({layout.channels}, dnnl::memory::data_type::f32);
    const dnnl::memory::desc noisy = onednn::Plain({layout.batch, layout.channels}, dnnl::memory::data_type::f32);
    const Value x = source.value, y = planner.New(desc), weight = planner.Parameter("weight", weights);
    const Value scales = planner.New(noisy);
    const RandomStream random(planner.seed(), kPurpose, StreamOf(planner.layer_name()));
    const float noise = planner.sampling() ? noise_ : 0;
    planner.Run("noisy scale", {x, weight}, {y, scales}, [=](const Frame& frame) {
      for (int64_t n = 0; n < layout.batch; ++n) {
        const uint32_t example = frame.first_example() + static_cast<uint32_t>(n);
        const float coin = random.Block(frame.step(), example, 0)[0] >> 31 ? noise : 0;
        for (int64_t c = 0; c < layout.channels; ++c) {
          frame.at<float>(scales)[n * layout.channels + c] = frame.at<float>(weight)[c] + coin;
        }
      }
      Scale(frame, layout, x, scales, y);
    });
    planner.SetOutput(y);
    if (!planner.training()) return BackwardPlan();
    return [=](Planner& back) {
      const Value dy = GradientAs(back, desc), dx = back.New(desc);
      const Value dweight = back.ParameterGradient("weight", weights);
      back.Run("noisy scale gradient", {x, dy, scales}, {dx, dweight}, [=](const Frame& frame) {
        Scale(frame, layout, dy, scales, dx);
        SumOfProducts(frame, layout, x, dy, dweight);
      });
      GiveInputGradient(back, 0, dx);
      return absl::OkStatus();
    };
  }

 private:
  static constexpr Purpose kPurpose{"planted.NoisyScale"};

  // Calls body(pointer, example, channel, values) for each run of values of one channel.
  template <class T, class Body>
  static void ForEachValue(const Layout& layout, const Body& body) {
    for (int64_t n = 0; n < layout.batch; ++n) {
      for (int64_t block = 0; block < layout.blocks; ++block) {
        for (int64_t s = 0; s < layout.spatial; ++s) {
          for (int64_t k = 0; k < layout.block_width(block); ++k) {
            body(((n * layout.blocks + block) * layout.spatial + s) * layout.width + k, n, block * layout.width + k);
          }
        }
      }
    }
  }
  template <class T>
  static void Scale(const Frame& frame, const Layout& layout, Value from, Value scales, Value to) {
    ForEachValue<T>(layout, [&](int64_t i, int64_t n, int64_t c) {
      frame.at<T>(to)[i] =
          FromFloat<T>(ToFloat(frame.at<T>(from)[i]) * frame.at<float>(scales)[n * layout.channels + c]);
    });
  }
  static void Scale(const Frame& frame, const Layout& layout, Value from, Value scales, Value to) {
    layout.type == dnnl::memory::data_type::bf16 ? Scale<Bfloat16>(frame, layout, from, scales, to)
                                                 : Scale<float>(frame, layout, from, scales, to);
  }
  template <class T>
  static void SumOfProducts(const Frame& frame, const Layout& layout, Value a, Value b, Value sums) {
    std::fill_n(frame.at<float>(sums), layout.channels, 0.0f);
    ForEachValue<T>(layout, [&](int64_t i, int64_t, int64_t c) {
      frame.at<float>(sums)[c] += ToFloat(frame.at<T>(a)[i]) * ToFloat(frame.at<T>(b)[i]);
    });
  }
  static void SumOfProducts(const Frame& frame, const Layout& layout, Value a, Value b, Value sums) {
    layout.type == dnnl::memory::data_type::bf16 ? SumOfProducts<Bfloat16>(frame, layout, a, b, sums)
                                                 : SumOfProducts<float>(frame, layout, a, b, sums);
  }

  const float noise_;
};

const Registered<Layer, NoisyScale> kNoisyScale("x * weight, with a noisy weight while training.",
                                                [](NoisyScale& config,
                                                   const FieldErrors& errors) -> std::unique_ptr<Layer> {
                                                  Require(config.noise() >= 0, errors, "noise", "at least 0",
                                                          config.noise());
                                                  return std::make_unique<NoisyScaleLayer>(config);
                                                });

class LogCoshLoss final : public Loss {
 public:
  double Compute(const float* output, const Targets& targets, int64_t n, int64_t outputs,
                 float* gradient) const override {
    return SumOverExamples(n, outputs, [&](int64_t i) {
      double sum = 0;
      for (int64_t c = 0; c < outputs; ++c) {
        const double error = double{output[i * outputs + c]} - double{targets.values[i * outputs + c]};
        sum += std::abs(error) + std::log1p(std::exp(-2 * std::abs(error))) - std::log(2.0);
        if (gradient == nullptr) continue;
        gradient[i * outputs + c] =
            static_cast<float>(std::tanh(error) / (static_cast<double>(outputs) * static_cast<double>(n)));
      }
      return sum / static_cast<double>(outputs);
    });
  }
  bool takes_labels() const override { return false; }
};

const Registered<Loss, LogCosh> kLogCosh("The mean of log(cosh(error)).",
                                         [](LogCosh&, const FieldErrors&) { return std::make_unique<LogCoshLoss>(); });

}  // namespace
}  // namespace planted
