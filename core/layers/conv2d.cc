// Cross-correlation over [channels, height, width]: a oneDNN convolution with the bias and, where it can be, the
// activation inside. Direct or Winograd as the planner says (core/plan/convolution_rule.h).
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/kinds/checks.h"
#include "core/kinds/values.h"
#include "core/kinds/window.h"
#include "core/layers/fusion.h"
#include "core/layers/weighted.h"
#include "core/onednn/desc.h"
#include "core/onednn/primitives.h"

namespace traind::core {
namespace {

using onednn::Dims;
using onednn::Type;

class Conv2dLayer : public Layer {
 public:
  Conv2dLayer(const v1::Conv2d& config, const Window& window) : config_(config), window_(window) {}

  bool Widen(int64_t pieces) override {
    pieces_ = pieces;
    return true;
  }

  LayerShape Infer(absl::Span<const Shape> inputs, const FieldErrors& errors) const override {
    LayerShape shape;
    const Shape* input = SingleImage(inputs, errors);
    if (input == nullptr) return shape;
    CheckGroups((*input)[0], errors);
    const ConvolutionShape over = Over(*input, window_.Place(*input, errors));
    const int64_t in_each = over.in_channels / over.groups, out_each = over.out_channels / over.groups;
    const int64_t taps = window_.kernel[0] * window_.kernel[1];
    const int64_t fan_in = CheckedElements({in_each, taps});
    const int64_t fan_out = CheckedElements({out_each, taps});
    shape.convolution = over;
    shape.output = {over.out_channels, over.placed.output[0], over.placed.output[1]};
    AddWeights(config_, {over.out_channels, in_each, window_.kernel[0], window_.kernel[1]}, fan_in, fan_out, shape);
    CheckParameter(shape.parameters[0], errors.At("kernel"));
    const int64_t outputs = CheckedElements(shape.output);
    if (outputs < 0) errors.At("padding").Add(absl::StrCat("gives an output of ", ToString(shape.output)));
    if (outputs > 0 && fan_in > 0) {
      shape.forward_flops = CheckedFlops(outputs, fan_in, config_.bias() ? 1 : 0, errors.At("kernel"));
    }
    return shape;
  }

  LayerTraits traits() const override { return {.homogeneous = true, .weight_initializer = "weight_init"}; }

  absl::StatusOr<BackwardPlan> Plan(Planner& planner) const override {
    onednn::ConvolutionOptions options = Options(planner);
    options.winograd = planner.convolution_algorithm() == v1::CONVOLUTION_ALGORITHM_WINOGRAD;
    auto forward = WithFusedActivation(planner, options, onednn::Convolution);
    if (!forward.ok() && options.winograd) {
      options.winograd = false;
      forward = WithFusedActivation(planner, options, onednn::Convolution);
    }
    if (!forward.ok()) return forward.status();
    const Value source = RunWeightedForward(planner, *forward, planner.Input(), Value(), config_.bias());
    options.post_op.reset();
    return [this, source, options, forward = *std::move(forward)](Planner& back) {
      return Backward(back, source, options, forward);
    };
  }

 private:
  ConvolutionShape Over(const Shape& input, const PlacedWindow& placed) const {
    return {.in_channels = input[0],
            .out_channels = config_.out_channels() * pieces_,
            .groups = config_.groups(),
            .window = window_,
            .placed = placed};
  }

  void CheckGroups(int64_t in, const FieldErrors& errors) const {
    const int64_t out = config_.out_channels() * pieces_, groups = config_.groups();
    if (pieces_ > 1) CheckChannels(out, errors.At("out_channels"));
    if (in % groups != 0) {
      errors.At("groups").Add(absl::StrCat("must divide the input's channels: ", in, " / ", groups));
    }
    if (out % groups != 0) {
      errors.At("groups").Add(absl::StrCat("must divide the output's channels: ", out, " / ", groups));
    }
  }

  // All layouts are the kernels' choice.
  onednn::ConvolutionOptions Options(const Planner& planner) const {
    const Shape& input = planner.InputShape();
    const ConvolutionShape over = Over(input, window_.Place(input));
    const Type type = planner.compute_type();
    const auto dims = [](const std::array<int64_t, 2>& pair) { return Dims(pair.begin(), pair.end()); };
    Dims weights = {over.out_channels / over.groups, over.in_channels / over.groups, window_.kernel[0],
                    window_.kernel[1]};
    if (over.groups > 1) weights.insert(weights.begin(), over.groups);
    return {
        .src = onednn::Any({planner.batch(), input[0], input[1], input[2]}, type),
        .weights = onednn::Any(weights, type),
        .bias = config_.bias() ? onednn::Plain({over.out_channels}, Type::f32) : onednn::Desc(),
        .dst = onednn::Any({planner.batch(), over.out_channels, over.placed.output[0], over.placed.output[1]}, type),
        .stride = dims(window_.stride),
        .dilation = dims(window_.dilation),
        .padding_begin = dims(over.placed.padding_begin),
        .padding_end = dims(over.placed.padding_end)};
  }

  // make(options), by direct kernels where Winograd has none for this direction.
  template <class Make>
  static auto WithFallback(onednn::ConvolutionOptions options, const onednn::ConvolutionForward& forward,
                           const Make& make) -> decltype(make(options, forward)) {
    auto made = make(options, forward);
    if (made.ok() || !options.winograd) return made;
    options.winograd = false;
    return make(options, forward);
  }

  absl::Status Backward(Planner& planner, Value source, onednn::ConvolutionOptions options,
                        const onednn::ConvolutionForward& forward) const {
    const Value gradient = GradientAs(planner, forward.desc.dst_desc());
    if (planner.NeedsInputGradient()) {
      auto data = WithFallback(options, forward, onednn::ConvolutionGradientOfData);
      if (!data.ok()) return data.status();
      RunGradientOfData(planner, *data, Value(), gradient);
    }
    options.weights = onednn::Any(onednn::DimsOf(options.weights), Type::f32);
    auto weights = WithFallback(options, forward, onednn::ConvolutionGradientOfWeights);
    if (!weights.ok()) return weights.status();
    RunGradientOfWeights(planner, *weights, source, gradient, Value(), config_.bias());
    return absl::OkStatus();
  }

  const v1::Conv2d config_;
  const Window window_;
  int64_t pieces_ = 1;
};

const Registered<Layer, v1::Conv2d> kConv2d("Cross-correlation over height and width.",
                                            [](v1::Conv2d& config,
                                               const FieldErrors& errors) -> std::unique_ptr<Layer> {
                                              const int before = errors.count();
                                              CheckChannels(config.out_channels(), errors.At("out_channels"));
                                              const Window window = ResolveWindow(config, errors);
                                              if (!config.has_groups()) config.set_groups(1);
                                              if (config.groups() < 1) errors.At("groups").Add("must be at least 1");
                                              ResolveWeights(config, errors);
                                              return errors.count() > before
                                                         ? nullptr
                                                         : std::make_unique<Conv2dLayer>(config, window);
                                            });

}  // namespace
}  // namespace traind::core
