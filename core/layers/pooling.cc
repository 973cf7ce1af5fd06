#include "core/layers/pooling.h"

#include <utility>

#include "core/kinds/checks.h"
#include "core/kinds/values.h"
#include "core/onednn/desc.h"

namespace traind::core {
namespace {

absl::Status Backward(Planner& planner, const onednn::PoolingOptions& options, Value workspace,
                      const onednn::PoolingForward& forward) {
  auto backward = onednn::PoolingGradient(options, forward);
  if (!backward.ok()) return backward.status();
  const Value input_gradient = planner.New(options.src);
  planner.Run(backward->desc, {{DNNL_ARG_DIFF_DST, GradientAs(planner, options.dst)},
                               {DNNL_ARG_WORKSPACE, workspace},
                               {DNNL_ARG_DIFF_SRC, input_gradient}});
  GiveInputGradient(planner, 0, input_gradient);
  return absl::OkStatus();
}

}  // namespace

LayerShape PoolingLayer::Infer(absl::Span<const Shape> inputs, const FieldErrors& errors) const {
  LayerShape shape;
  const Shape* input = SingleImage(inputs, errors);
  if (input == nullptr) return shape;
  const PlacedWindow placed = window_.Place(*input, errors);
  shape.output = {(*input)[0], placed.output[0], placed.output[1]};
  const int64_t outputs = CheckedElements(shape.output);
  if (outputs > 0) {
    shape.forward_flops = CheckedFlops(outputs, 0, window_.kernel[0] * window_.kernel[1], errors.At("kernel"));
  }
  return shape;
}

LayerTraits PoolingLayer::traits() const {
  return {.homogeneous = true, .passes_zeros = kind_ != onednn::PoolingOptions::Kind::kMax};
}

absl::StatusOr<BackwardPlan> PoolingLayer::Plan(Planner& planner) const { return PlanPooling(planner, kind_, window_); }

absl::StatusOr<BackwardPlan> PlanPooling(Planner& planner, onednn::PoolingOptions::Kind kind, const Window& window) {
  const Value source = planner.Input();
  const Shape& input = planner.InputShape();
  const PlacedWindow placed = window.Place(input);
  const auto dims = [](const std::array<int64_t, 2>& pair) { return onednn::Dims(pair.begin(), pair.end()); };
  onednn::PoolingOptions options{
      .kind = kind,
      .training = planner.training(),
      .src = planner.Desc(source),
      .dst = onednn::Any({planner.batch(), input[0], placed.output[0], placed.output[1]}, planner.compute_type()),
      .kernel = dims(window.kernel),
      .stride = dims(window.stride),
      .padding_begin = dims(placed.padding_begin),
      .padding_end = dims(placed.padding_end)};
  auto forward = onednn::Pooling(options);
  if (!forward.ok()) return forward.status();
  options.dst = forward->desc.dst_desc();
  const Value output = planner.New(options.dst);
  Value workspace;
  if (kind == onednn::PoolingOptions::Kind::kMax && planner.training()) {
    workspace = planner.New(forward->desc.workspace_desc());
  }
  planner.Run(forward->desc, {{DNNL_ARG_SRC, source}, {DNNL_ARG_DST, output}, {DNNL_ARG_WORKSPACE, workspace}});
  planner.SetOutput(output);
  return [options, workspace, forward = *std::move(forward)](Planner& back) {
    return Backward(back, options, workspace, forward);
  };
}

}  // namespace traind::core
