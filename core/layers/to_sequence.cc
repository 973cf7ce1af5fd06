// [C, H, W] -> [C, H * W], row by row; [length] -> [1, length]. Nothing moves: in every layout the positions follow
// each other as they did.
#include <memory>

#include "core/kinds/checks.h"
#include "core/kinds/placed_value.h"
#include "core/kinds/values.h"
#include "core/tensor/format.h"

namespace traind::core {
namespace {

class ToSequenceLayer : public Layer {
 public:
  LayerShape Infer(absl::Span<const Shape> inputs, const FieldErrors& errors) const override {
    LayerShape shape;
    const Shape* input = SingleInput(inputs, errors);
    if (input == nullptr) return shape;
    shape.output = input->size() == 1 ? Shape{1, (*input)[0]} : Shape{(*input)[0], Elements(*input) / (*input)[0]};
    return shape;
  }

  LayerTraits traits() const override { return {.linear = true, .homogeneous = true, .passes_zeros = true}; }

  absl::StatusOr<BackwardPlan> Plan(Planner& planner) const override {
    const PlacedValue placed = PlacedChannels(planner);
    const dnnl::memory::desc from = planner.Desc(placed.value);
    const onednn::Dims dims = ValueDims(planner.batch(), planner.OutputShape());
    const dnnl::memory::desc to = InFormatOf(from, dims, placed.layout.type);
    planner.SetOutput(planner.View(placed.value, to));
    return BackwardPlan([from, to](Planner& back) {
      if (back.NeedsInputGradient()) GiveInputGradient(back, 0, back.View(GradientAs(back, to), from));
      return absl::OkStatus();
    });
  }
};

const Registered<Layer, v1::ToSequence> kToSequence("An image as a sequence of its pixels; features as one of numbers.",
                                                    [](v1::ToSequence&, const FieldErrors&) {
                                                      return std::make_unique<ToSequenceLayer>();
                                                    });

}  // namespace
}  // namespace traind::core
