// y = W x + b: a oneDNN inner product with the bias and, where it can be, the activation inside. Over positions it is
// one over their rows, as they lie in memory channels-last.
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/kinds/checks.h"
#include "core/kinds/values.h"
#include "core/layers/fusion.h"
#include "core/layers/projection.h"
#include "core/layers/weighted.h"
#include "core/onednn/desc.h"
#include "core/onednn/primitives.h"

namespace traind::core {
namespace {

class DenseLayer : public Layer {
 public:
  explicit DenseLayer(const v1::Dense& config) : config_(config) {}

  bool Widen(int64_t pieces) override {
    pieces_ = pieces;
    return true;
  }

  LayerShape Infer(absl::Span<const Shape> inputs, const FieldErrors& errors) const override {
    if (!config_.per_position()) return DenseShape(config_, pieces_, inputs, errors);
    const Shape* input = SinglePositions(inputs, errors);
    if (input == nullptr) return {};
    LayerShape shape = DenseShape(config_, pieces_, {Shape{(*input)[0]}}, errors);
    shape.output = *input;
    shape.output[0] = units();
    const int64_t outputs = CheckedElements(shape.output);
    if (outputs < 0) errors.At("units").Add(absl::StrCat("gives an output of ", ToString(shape.output)));
    if (outputs > 0) {
      shape.forward_flops = CheckedFlops(outputs, (*input)[0], config_.bias() ? 1 : 0, errors.At("units"));
    }
    return shape;
  }

  LayerTraits traits() const override {
    return {.linear = true, .homogeneous = true, .weight_initializer = "weight_init"};
  }

  // Measured on oneDNN 2.6.3 with AVX-512, 4096x4096 at batch 256, 784x512 and 512x512 at batch 128: with the weights
  // in the layout of the kernels' choice (blocked), forward takes 0.55 to 0.75 of its time on row-major weights, the
  // two backward passes together 0.8 to 1.1, and at f32 all three agree on the layout, so that the step has no reorder.
  // At bf16 the gradient is in another layout than the weights, which costs one reorder; row-major loses by up to 1.4.
  absl::StatusOr<BackwardPlan> Plan(Planner& planner) const override {
    if (config_.per_position()) return PlanOverPositions(planner);
    Value input = Source(planner);
    absl::StatusOr<onednn::InnerProductForward> forward = Forward(planner, planner.Desc(input));
    if (!forward.ok() || IsReference(*forward)) {
      input = planner.Flat(input);
      forward = Forward(planner, planner.Desc(input));
    }
    if (!forward.ok()) return forward.status();

    const Value source = RunWeightedForward(planner, *forward, input, Value(), config_.bias());
    return [this, source, forward = *std::move(forward)](Planner& back) { return Backward(back, source, forward); };
  }

 private:
  int64_t units() const { return config_.units() * pieces_; }

  absl::StatusOr<BackwardPlan> PlanOverPositions(Planner& planner) const {
    const Projection projection{.bias = config_.bias() ? "bias" : "", .out = units(), .fuse = true};
    auto projected = Project(planner, projection, RowsOf(planner, planner.Input()));
    if (!projected.ok()) return projected.status();
    const Shape input = planner.InputShape(), output = planner.OutputShape();
    planner.SetOutput(FromRows(planner, projected->output, output));
    return [=, projected = *std::move(projected)](Planner& back) -> absl::Status {
      const bool wanted = back.NeedsInputGradient();
      const auto gradient = ProjectBack(back, projection, projected, GradientRows(back, output), wanted);
      if (!gradient.ok()) return gradient.status();
      if (wanted) GiveInputGradient(back, 0, FromRows(back, *gradient, input));
      return absl::OkStatus();
    };
  }

  // An image in blocked layout stays as it is, its weights take the same blocks; else the input is [n, features].
  static Value Source(Planner& planner) {
    const Value input = planner.Input();
    const auto blocking = onednn::BlockingOf(planner.Desc(input));
    const bool blocked = blocking && blocking->dims.size() == 4 && !blocking->inner_blocks.empty();
    return blocked ? input : planner.Flat(input);
  }

  absl::StatusOr<onednn::InnerProductForward> Forward(Planner& planner, const dnnl::memory::desc& source) const {
    onednn::InnerProductOptions options = InnerProductOf(planner, source, units(), config_.bias());
    return WithFusedActivation(planner, options, onednn::InnerProduct);
  }

  absl::Status Backward(Planner& planner, Value source, const onednn::InnerProductForward& forward) const {
    const auto options = InnerProductOf(planner, forward.desc.src_desc(), units(), config_.bias());
    return RunInnerProductGradients(planner, options, forward, source, Value(), config_.bias()).status();
  }

  const v1::Dense config_;
  int64_t pieces_ = 1;
};

const Registered<Layer, v1::Dense> kDense("Fully connected: y = W x + b.",
                                          [](v1::Dense& config, const FieldErrors& errors) -> std::unique_ptr<Layer> {
                                            const int before = errors.count();
                                            CheckChannels(config.units(), errors.At("units"));
                                            ResolveWeights(config, errors);
                                            return errors.count() > before ? nullptr
                                                                           : std::make_unique<DenseLayer>(config);
                                          });

}  // namespace
}  // namespace traind::core
