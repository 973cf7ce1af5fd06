// The mean, or the largest value, over height and width, [C, H, W] -> [C] (Lin et al. 2013), or over the length of a
// sequence, [features, length] -> [features] (max-over-time pooling, Collobert et al. 2011). Pooling with one window
// over all.
#include <memory>

#include "core/kinds/checks.h"
#include "core/kinds/planner.h"
#include "core/kinds/values.h"
#include "core/layers/pooling.h"

namespace traind::core {
namespace {

class GlobalPoolLayer : public Layer {
 public:
  explicit GlobalPoolLayer(onednn::PoolingOptions::Kind kind) : kind_(kind) {}

  LayerShape Infer(absl::Span<const Shape> inputs, const FieldErrors& errors) const override {
    LayerShape shape;
    const Shape* input = SinglePositions(inputs, errors);
    if (input == nullptr) return shape;
    shape.output = {(*input)[0]};
    shape.forward_flops = CheckedFlops((*input)[0], 0, Elements(*input) / (*input)[0], errors);
    return shape;
  }

  LayerTraits traits() const override {
    const bool mean = kind_ != onednn::PoolingOptions::Kind::kMax;
    return {.linear = mean, .homogeneous = true, .passes_zeros = mean};
  }

  // In memory the output keeps its four dimensions, two of them 1, as that of Flatten does.
  absl::StatusOr<BackwardPlan> Plan(Planner& planner) const override {
    const Shape image = ImageOf(planner.InputShape());
    return PlanPooling(planner, kind_, Window{.kernel = {image[1], image[2]}});
  }

 private:
  const onednn::PoolingOptions::Kind kind_;
};

const Registered<Layer, v1::GlobalAvgPool> kGlobalAvgPool(
    "The mean over height and width, or over the length of a sequence (slide 82).",
    [](v1::GlobalAvgPool&, const FieldErrors&) {
      return std::make_unique<GlobalPoolLayer>(onednn::PoolingOptions::Kind::kMean);
    });

const Registered<Layer, v1::GlobalMaxPool> kGlobalMaxPool(
    "The largest value over height and width, or over the length of a sequence.",
    [](v1::GlobalMaxPool&, const FieldErrors&) {
      return std::make_unique<GlobalPoolLayer>(onednn::PoolingOptions::Kind::kMax);
    });

}  // namespace
}  // namespace traind::core
