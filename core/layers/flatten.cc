// [C, H, W] -> [C * H * W], channel by channel. Nothing moves: the layers that read it know that a flattened image may
// still have its four dimensions in memory (Planner::InputShape).
#include <memory>

#include "core/kinds/checks.h"
#include "core/kinds/planner.h"
#include "core/kinds/values.h"

namespace traind::core {
namespace {

class FlattenLayer : public Layer {
 public:
  LayerShape Infer(absl::Span<const Shape> inputs, const FieldErrors& errors) const override {
    LayerShape shape;
    const Shape* input = SingleInput(inputs, errors);
    if (input != nullptr) shape.output = {Elements(*input)};
    return shape;
  }

  LayerTraits traits() const override { return {.linear = true, .homogeneous = true, .passes_zeros = true}; }

  absl::StatusOr<BackwardPlan> Plan(Planner& planner) const override { return PlanUnchanged(planner); }
};

const Registered<Layer, v1::Flatten> kFlatten("[C, H, W] to [C * H * W].", [](v1::Flatten&, const FieldErrors&) {
  return std::make_unique<FlattenLayer>();
});

}  // namespace
}  // namespace traind::core
