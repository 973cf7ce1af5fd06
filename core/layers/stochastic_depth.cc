// Stochastic depth (Huang et al. 2016, slide 96): in training a branch passes with probability `survival`, as a whole
// or example by example, else it is zero; at test time it is multiplied by `survival`. Whether it passes depends on
// (seed, layer name, step, example) alone, so nothing is kept for the way back; and where it is left out as a whole,
// the plan knows it beforehand and computes nothing of it.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <string_view>

#include "core/base/bfloat16.h"
#include "core/base/parallel.h"
#include "core/base/random.h"
#include "core/kinds/checks.h"
#include "core/kinds/placed_value.h"
#include "core/kinds/planner.h"
#include "core/kinds/values.h"

namespace traind::core {
namespace {

constexpr Purpose kDepthPurpose = Purpose::Numbered(9);

// What a plan's kernels know of one layer.
struct Depth {
  Layout layout;
  RandomStream random;
  uint32_t threshold;  // A branch passes when 24 random bits are below: with probability threshold / 2^24.
  bool per_example;

  bool Passes(uint64_t step, int64_t example) const {
    return random.Block(step, per_example ? static_cast<uint32_t>(example) : 0, 0)[0] >> 8 < threshold;
  }

  template <class T>
  void Pass(const Frame& frame, const void* x, void* y) const {
    const int64_t stride = layout.example_stride();
    ParallelFor(layout.batch, GrainFor(stride), [&](int64_t begin, int64_t end, int) {
      for (int64_t n = begin; n < end; ++n) {
        T* to = static_cast<T*>(y) + n * stride;
        Passes(frame.step(), frame.first_example() + n) ? std::copy_n(static_cast<const T*>(x) + n * stride, stride, to)
                                                        : std::fill_n(to, stride, T());
      }
    });
  }
  void Pass(const Frame& frame, const void* x, void* y) const {
    layout.type == dnnl::memory::data_type::bf16 ? Pass<Bfloat16>(frame, x, y) : Pass<float>(frame, x, y);
  }
};

class StochasticDepthLayer final : public Layer {
 public:
  explicit StochasticDepthLayer(const v1::StochasticDepth& config) : config_(config) {}

  LayerShape Infer(absl::Span<const Shape> inputs, const FieldErrors& errors) const override {
    return SameShape(inputs, /*flops_each=*/1, errors);
  }

  LayerTraits traits() const override {
    return {.linear = true, .passes_zeros = true, .channelwise = true, .purpose = kDepthPurpose};
  }

  LeavesOut leaves_out(uint64_t seed, std::string_view name) const override {
    if (config_.survival() == 1 || config_.per_example()) return nullptr;
    return [depth = DepthOf(seed, name, {})](uint64_t step) { return !depth.Passes(step, 0); };
  }

  absl::StatusOr<BackwardPlan> Plan(Planner& planner) const override {
    if (config_.survival() == 1) return PlanUnchanged(planner);
    const PlacedValue source = PlacedInput(planner);
    const dnnl::memory::desc desc = planner.Desc(source.value);
    const Depth depth = DepthOf(planner.seed(), planner.layer_name(), source.layout);
    const Value input = source.value, output = planner.New(desc);
    planner.SetOutput(output);
    if (!planner.sampling()) {
      planner.Run("stochastic depth", {input}, {output},
                  [=, scale = static_cast<float>(config_.survival())](const Frame& frame) {
                    ScaleValues(depth.layout, frame.at(input), scale, frame.at(output));
                  });
      return BackwardPlan();
    }
    planner.Run("stochastic depth", {input}, {output},
                [=](const Frame& frame) { depth.Pass(frame, frame.at(input), frame.at(output)); });
    return [=](Planner& back) {
      const Value gradient = GradientAs(back, desc);
      const Value input_gradient = back.New(desc);
      back.Run("stochastic depth gradient", {gradient}, {input_gradient},
               [=](const Frame& frame) { depth.Pass(frame, frame.at(gradient), frame.at(input_gradient)); });
      GiveInputGradient(back, 0, input_gradient);
      return absl::OkStatus();
    };
  }

 private:
  Depth DepthOf(uint64_t seed, std::string_view name, const Layout& layout) const {
    return {.layout = layout,
            .random = RandomStream(seed, kDepthPurpose, StreamOf(name)),
            .threshold = static_cast<uint32_t>(std::ceil(config_.survival() * 0x1p24)),
            .per_example = config_.per_example()};
  }

  const v1::StochasticDepth config_;
};

const Registered<Layer, v1::StochasticDepth> kStochasticDepth(
    "Leaves a residual branch out at random while training (slide 96).",
    [](v1::StochasticDepth& config, const FieldErrors& errors) -> std::unique_ptr<Layer> {
      if (!config.has_survival()) config.set_survival(0.5);
      const int before = errors.count();
      CheckShare(config.survival(), errors.At("survival"));
      return errors.count() > before ? nullptr : std::make_unique<StochasticDepthLayer>(config);
    });

}  // namespace
}  // namespace traind::core
