#include "core/layers/pooling.h"

#include <utility>

#include "core/base/bfloat16.h"
#include "core/base/parallel.h"
#include "core/kinds/checks.h"
#include "core/kinds/values.h"
#include "core/onednn/desc.h"
#include "core/tensor/layout.h"

namespace traind::core {
namespace {

// Where the last windows hang over the padding asked for (ceil_mode), their mean is over what is inside it: the last
// row and the last column are multiplied by the whole window over that.
struct EdgeScale {
  Layout layout;
  int64_t height, width;
  float last_row, last_column;

  bool changes() const { return last_row != 1 || last_column != 1; }

  template <class T>
  void Apply(const void* from, void* to) const {
    const int64_t row = width * layout.width;
    ParallelFor(layout.batch * layout.blocks * height, GrainFor(row), [&](int64_t begin, int64_t end, int) {
      for (int64_t r = begin; r < end; ++r) {
        const float of_row = r % height == height - 1 ? last_row : 1;
        const T* x = static_cast<const T*>(from) + r * row;
        T* y = static_cast<T*>(to) + r * row;
        for (int64_t i = 0; i < row; ++i) {
          const bool last = i >= row - layout.width;
          y[i] = FromFloat<T>(ToFloat(x[i]) * (last ? of_row * last_column : of_row));
        }
      }
    });
  }
  void Run(Planner& planner, Value from, Value to) const {
    const bool bf16 = layout.type == dnnl::memory::data_type::bf16;
    planner.Run("edge windows", {from}, {to}, [=, *this](const Frame& frame) {
      bf16 ? Apply<Bfloat16>(frame.at(from), frame.at(to)) : Apply<float>(frame.at(from), frame.at(to));
    });
  }
};

// `dst` is what the primitive chose, one of the layouts that Layout knows.
EdgeScale EdgeScaleOf(onednn::PoolingOptions::Kind kind, const Window& window, const PlacedWindow& placed,
                      const dnnl::memory::desc& dst) {
  const auto scale = [&](int axis) {
    const auto whole = static_cast<float>(window.kernel[axis]);
    const bool counts = kind == onednn::PoolingOptions::Kind::kMeanWithPadding;
    return counts ? whole / (whole - static_cast<float>(placed.overhang[axis])) : 1.0f;
  };
  return {.layout = Layout::Of(dst).value_or(Layout()),
          .height = placed.output[0],
          .width = placed.output[1],
          .last_row = scale(0),
          .last_column = scale(1)};
}

absl::Status Backward(Planner& planner, const onednn::PoolingOptions& options, Value workspace,
                      const onednn::PoolingForward& forward, const EdgeScale& edges) {
  auto backward = onednn::PoolingGradient(options, forward);
  if (!backward.ok()) return backward.status();
  Value gradient = GradientAs(planner, options.dst);
  if (edges.changes()) {
    const Value scaled = planner.New(options.dst);
    edges.Run(planner, gradient, scaled);
    gradient = scaled;
  }
  const Value input_gradient = planner.New(options.src);
  planner.Run(backward->desc,
              {{DNNL_ARG_DIFF_DST, gradient}, {DNNL_ARG_WORKSPACE, workspace}, {DNNL_ARG_DIFF_SRC, input_gradient}});
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
  const bool mean = kind_ != onednn::PoolingOptions::Kind::kMax;
  return {.linear = mean, .homogeneous = true, .passes_zeros = mean};
}

absl::StatusOr<BackwardPlan> PoolingLayer::Plan(Planner& planner) const { return PlanPooling(planner, kind_, window_); }

absl::StatusOr<BackwardPlan> PlanPooling(Planner& planner, onednn::PoolingOptions::Kind kind, const Window& window) {
  const Value source = planner.Input();
  const Shape input = ImageOf(planner.InputShape());
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
  const EdgeScale edges = EdgeScaleOf(kind, window, placed, options.dst);
  if (edges.changes()) {
    if (edges.layout.batch == 0) return absl::UnimplementedError("pooling gave a layout that is not known");
    edges.Run(planner, output, output);
  }
  planner.SetOutput(output);
  return [options, workspace, edges, forward = *std::move(forward)](Planner& back) {
    return Backward(back, options, workspace, forward, edges);
  };
}

}  // namespace traind::core
