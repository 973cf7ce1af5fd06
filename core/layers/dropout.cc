// Dropout (slides 70-80). Which values are dropped depends on (seed, layer name, step, example, element) alone, the
// element counted channel by channel as users see the tensor, so the mask is the same in every layout, with any number
// of threads, and after any resume.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>

#include "core/base/bfloat16.h"
#include "core/base/parallel.h"
#include "core/base/random.h"
#include "core/kinds/checks.h"
#include "core/kinds/placed_value.h"
#include "core/kinds/planner.h"
#include "core/kinds/values.h"
#include "core/layers/drop_mask.h"
#include "core/onednn/desc.h"
#include "core/tensor/layout.h"

namespace traind::core {
namespace {

constexpr Purpose kDropoutPurpose = Purpose::Numbered(3);

// What a plan's kernels know of one dropout layer.
struct Drop {
  Layout layout;
  RandomStream random;
  uint32_t threshold;
  float scale;  // Of the values that stay.

  // The mask of one example in the layout of the values; padding, zero before and after, may hold anything valid.
  void FillExample(uint64_t step, int64_t example, uint8_t* mask) const {
    uint8_t drawn[kDraw];
    const int64_t elements = layout.channels * layout.spatial;
    for (int64_t first = 0; first < elements; first += kDraw) {
      const int64_t n = std::min(kDraw, elements - first);
      DrawMask(random, step, static_cast<uint32_t>(example), first, n, threshold, drawn);
      if (layout.width == 1 || layout.spatial == 1) {  // Memory is in the elements' own order.
        std::copy_n(drawn, n, mask + first);
        continue;
      }
      int64_t channel = first / layout.spatial;
      int64_t s = first % layout.spatial;
      for (int64_t i = 0; i < n;) {
        const int64_t run = std::min(n - i, layout.spatial - s);
        uint8_t* to = mask + (channel / layout.width * layout.spatial + s) * layout.width + channel % layout.width;
        for (int64_t k = 0; k < run; ++k) to[k * layout.width] = drawn[i + k];
        i += run;
        s = 0;
        ++channel;
      }
    }
  }

  template <class T>
  void Apply(const void* x, const uint8_t* keep, void* y) const {
    ParallelFor(layout.stored_elements(), kValueGrain, [&](int64_t begin, int64_t end, int) {
      ApplyMask(static_cast<const T*>(x) + begin, keep + begin, scale, static_cast<T*>(y) + begin, end - begin);
    });
  }
  void Apply(const void* x, const uint8_t* keep, void* y) const {
    if (layout.type == dnnl::memory::data_type::bf16) return Apply<Bfloat16>(x, keep, y);
    Apply<float>(x, keep, y);
  }
};

class DropoutLayer : public Layer {
 public:
  explicit DropoutLayer(const v1::Dropout& config) : config_(config) {}

  LayerShape Infer(absl::Span<const Shape> inputs, const FieldErrors& errors) const override {
    return SameShape(inputs, /*flops_each=*/1, errors);
  }

  LayerTraits traits() const override {
    return {.linear = true,
            .homogeneous = true,
            .passes_zeros = true,
            .channelwise = true,
            .drops_values = true,
            .purpose = kDropoutPurpose};
  }

  absl::StatusOr<BackwardPlan> Plan(Planner& planner) const override {
    const bool classic = config_.form() == v1::Dropout::FORM_CLASSIC;
    const bool unchanged = config_.rate() == 0 || (!planner.sampling() && !classic);
    if (unchanged) return PlanUnchanged(planner);

    const PlacedValue placed = PlacedInput(planner);
    const Value source = placed.value;
    const dnnl::memory::desc desc = planner.Desc(source);
    const float keep_probability = static_cast<float>(1 - config_.rate());
    const Drop drop{.layout = placed.layout,
                    .random = RandomStream(planner.seed(), kDropoutPurpose, StreamOf(planner.layer_name())),
                    .threshold = DropThreshold(config_.rate()),
                    .scale = classic ? 1.0f : 1.0f / keep_probability};
    const Value output = planner.New(desc);
    planner.SetOutput(output);
    if (!planner.sampling()) {
      planner.Run("dropout", {source}, {output}, [=, layout = drop.layout](const Frame& frame) {
        ScaleValues(layout, frame.at(source), keep_probability, frame.at(output));
      });
      return BackwardPlan();
    }

    const Value mask = planner.New(onednn::Plain({drop.layout.stored_elements()}, dnnl::memory::data_type::u8));
    planner.Run("dropout", {source}, {mask, output}, [=](const Frame& frame) {
      uint8_t* keep = frame.at<uint8_t>(mask);
      ParallelFor(drop.layout.batch, 1, [&](int64_t begin, int64_t end, int) {
        for (int64_t n = begin; n < end; ++n) {
          drop.FillExample(frame.step(), frame.first_example() + n, keep + n * drop.layout.example_stride());
        }
      });
      drop.Apply(frame.at(source), keep, frame.at(output));
    });
    return [drop, desc, mask](Planner& back) {
      const Value gradient = GradientAs(back, desc);
      const Value input_gradient = back.New(desc);
      back.Run("dropout gradient", {gradient, mask}, {input_gradient}, [=](const Frame& frame) {
        drop.Apply(frame.at(gradient), frame.at<uint8_t>(mask), frame.at(input_gradient));
      });
      GiveInputGradient(back, 0, input_gradient);
      return absl::OkStatus();
    };
  }

 private:
  const v1::Dropout config_;
};

const Registered<Layer, v1::Dropout> kDropout(
    "Sets values to zero at random while training (slides 70-80).",
    [](v1::Dropout& config, const FieldErrors& errors) -> std::unique_ptr<Layer> {
      const int before = errors.count();
      if (!config.has_rate()) config.set_rate(0.5);
      CheckRate(config.rate(), errors.At("rate"));
      if (config.form() == v1::Dropout::FORM_UNSPECIFIED) config.set_form(v1::Dropout::FORM_INVERTED);
      if (config.form() != v1::Dropout::FORM_INVERTED && config.form() != v1::Dropout::FORM_CLASSIC) {
        errors.At("form").Add("must be INVERTED or CLASSIC");
      }
      return errors.count() > before ? nullptr : std::make_unique<DropoutLayer>(config);
    });

}  // namespace
}  // namespace traind::core
