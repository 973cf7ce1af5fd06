// y_c = exp(x_c) / sum over channels of exp(x): over the features, or over the channels at each place of an image.
#include <memory>
#include <utility>

#include "core/kinds/checks.h"
#include "core/kinds/placed_value.h"
#include "core/kinds/values.h"
#include "core/onednn/primitives.h"

namespace traind::core {
namespace {

class SoftmaxLayer : public Layer {
 public:
  LayerShape Infer(absl::Span<const Shape> inputs, const FieldErrors& errors) const override {
    LayerShape shape;
    const Shape* input = SingleInput(inputs, errors);
    if (input == nullptr) return shape;
    shape.output = *input;
    // The exponential, the sum and the division.
    shape.forward_flops = CheckedFlops(Elements(*input), 0, 3, errors);
    return shape;
  }

  LayerTraits traits() const override { return {.makes_probabilities = true}; }

  absl::StatusOr<BackwardPlan> Plan(Planner& planner) const override {
    PlacedValue placed = PlacedChannels(planner);
    if (placed.layout.padded()) placed = PlacedPlain(planner);  // Padding must not take part in the sum.
    const Value source = placed.value;
    const dnnl::memory::desc desc = planner.Desc(source);
    auto forward = onednn::Softmax(desc, planner.training());
    if (!forward.ok()) return forward.status();
    const Value output = planner.New(desc);
    planner.Run(forward->desc, {{DNNL_ARG_SRC, source}, {DNNL_ARG_DST, output}});
    planner.SetOutput(output);
    return [desc, output, forward = *std::move(forward)](Planner& back) -> absl::Status {
      const auto backward = onednn::SoftmaxGradient(desc, forward);
      if (!backward.ok()) return backward.status();
      const Value input_gradient = back.New(desc);
      back.Run(
          backward->desc,
          {{DNNL_ARG_DST, output}, {DNNL_ARG_DIFF_DST, GradientAs(back, desc)}, {DNNL_ARG_DIFF_SRC, input_gradient}});
      GiveInputGradient(back, 0, input_gradient);
      return absl::OkStatus();
    };
  }
};

const Registered<Layer, v1::Softmax> kSoftmax("Probabilities over the features or channels.",
                                              [](v1::Softmax&, const FieldErrors&) {
                                                return std::make_unique<SoftmaxLayer>();
                                              });

}  // namespace
}  // namespace traind::core
