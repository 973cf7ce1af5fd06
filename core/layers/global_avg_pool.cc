// The mean over height and width: [C, H, W] -> [C] (Lin et al. 2013). Average pooling with one window over the image.
#include <memory>

#include "core/kinds/checks.h"
#include "core/kinds/planner.h"
#include "core/layers/pooling.h"

namespace traind::core {
namespace {

class GlobalAvgPoolLayer : public Layer {
 public:
  LayerShape Infer(absl::Span<const Shape> inputs, const FieldErrors& errors) const override {
    LayerShape shape;
    const Shape* input = SingleImage(inputs, errors);
    if (input == nullptr) return shape;
    shape.output = {(*input)[0]};
    shape.forward_flops = CheckedFlops((*input)[0], 0, (*input)[1] * (*input)[2], errors);
    return shape;
  }

  LayerTraits traits() const override { return {.homogeneous = true, .passes_zeros = true}; }

  // In memory the output keeps its four dimensions, two of them 1, as that of Flatten does.
  absl::StatusOr<BackwardPlan> Plan(Planner& planner) const override {
    const Shape& input = planner.InputShape();
    return PlanPooling(planner, onednn::PoolingOptions::Kind::kMean, Window{.kernel = {input[1], input[2]}});
  }
};

const Registered<Layer, v1::GlobalAvgPool> kGlobalAvgPool("The mean over height and width (slide 82).",
                                                          [](v1::GlobalAvgPool&, const FieldErrors&) {
                                                            return std::make_unique<GlobalAvgPoolLayer>();
                                                          });

}  // namespace
}  // namespace traind::core
