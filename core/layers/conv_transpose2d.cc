// The transpose of a convolution (Zeiler et al. 2010; PyTorch's ConvTranspose2d). A convolution of the same geometry
// leads from its output to its input, and the three passes are that convolution's three in another order: forward is
// its gradient of the data, the gradient for the input its forward pass, and the weights' gradient its own with source
// and gradient exchanged. So the weights lie as PyTorch has them, [in, out / groups, kh, kw]: out of the convolution is
// in of its transpose. The bias is a pass of our own, which the convolution's gradient of the data does not have.
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/kinds/checks.h"
#include "core/kinds/values.h"
#include "core/kinds/window.h"
#include "core/layers/channel_loops.h"
#include "core/layers/weighted.h"
#include "core/onednn/desc.h"
#include "core/onednn/primitives.h"

namespace traind::core {
namespace {

class ConvTransposeLayer : public Layer {
 public:
  ConvTransposeLayer(const v1::ConvTranspose2d& config, const Window& window) : config_(config), window_(window) {}

  bool Widen(int64_t pieces) override {
    pieces_ = pieces;
    return true;
  }

  LayerShape Infer(absl::Span<const Shape> inputs, const FieldErrors& errors) const override {
    LayerShape shape;
    const Shape* input = SingleImage(inputs, errors);
    if (input == nullptr) return shape;
    const int64_t in = (*input)[0], groups = config_.groups();
    CheckChannels(out(), errors.At("out_channels"));
    if (in % groups != 0)
      errors.At("groups").Add(absl::StrCat("must divide the input's channels: ", in, " / ", groups));
    if (out() % groups != 0) {
      errors.At("groups").Add(absl::StrCat("must divide the output's channels: ", out(), " / ", groups));
    }
    shape.output = {out(), Side(*input, 0), Side(*input, 1)};
    for (int axis = 0; axis < 2; ++axis) {
      if (shape.output[axis + 1] >= 1) continue;
      errors.At("padding").Add(absl::StrCat("cuts off more ", axis == 0 ? "rows" : "columns", " than the output of ",
                                            ToString(*input), " would have"));
    }
    const int64_t taps = window_.kernel[0] * window_.kernel[1];
    const int64_t fan_in = CheckedElements({in / groups, taps}), fan_out = CheckedElements({out() / groups, taps});
    AddWeights(config_, {in, out() / groups, window_.kernel[0], window_.kernel[1]}, fan_in, fan_out, shape);
    shape.parameters[0].by_unit = false;
    if (config_.bias()) shape.parameters[1].shape = {out()};
    CheckParameter(shape.parameters[0], errors.At("kernel"));
    const int64_t outputs = CheckedElements(shape.output);
    if (outputs < 0) errors.At("stride").Add(absl::StrCat("gives an output of ", ToString(shape.output)));
    if (outputs > 0 && fan_out > 0) {
      shape.forward_flops =
          CheckedFlops(Elements(*input), fan_out, 0, errors.At("kernel")) + (config_.bias() ? outputs : 0);
    }
    return shape;
  }

  LayerTraits traits() const override {
    return {.linear = true, .homogeneous = true, .weight_initializer = "weight_init"};
  }

  absl::StatusOr<BackwardPlan> Plan(Planner& planner) const override {
    onednn::ConvolutionOptions options = Options(planner);
    auto convolution = onednn::Convolution(options);
    if (!convolution.ok()) return convolution.status();
    const auto data = onednn::ConvolutionGradientOfData(options, *convolution);
    if (!data.ok()) return data.status();
    const Value source = planner.In(planner.Input(), data->desc.diff_dst_desc());
    Value output = planner.New(data->desc.diff_src_desc());
    planner.Run(data->desc, {{DNNL_ARG_DIFF_DST, source},
                             {DNNL_ARG_WEIGHTS, planner.Parameter("weight", data->desc.weights_desc())},
                             {DNNL_ARG_DIFF_SRC, output}});
    if (config_.bias()) {
      output = Readable(planner, output);
      const Value bias = planner.Parameter("bias", BiasDesc());
      planner.Run("bias", {output, bias}, {output},
                  [=, layout = *Layout::Of(planner.Desc(output))](const Frame& frame) {
                    const float* offset = frame.at<float>(bias);
                    layout.type == onednn::Type::bf16 ? AddToChannels(layout, offset, frame.at<Bfloat16>(output))
                                                      : AddToChannels(layout, offset, frame.at<float>(output));
                  });
    }
    planner.SetOutput(output);
    return [this, source, options, convolution = *std::move(convolution)](Planner& back) {
      return Backward(back, source, options, convolution);
    };
  }

 private:
  int64_t out() const { return config_.out_channels() * pieces_; }
  onednn::Desc BiasDesc() const { return onednn::Plain({out()}, onednn::Type::f32); }

  int64_t Side(const Shape& input, int axis) const {
    return (input[axis + 1] - 1) * window_.stride[axis] - window_.padding_begin[axis] - window_.padding_end[axis] +
           window_.extent(axis) + config_.output_padding(axis);
  }

  // In a layout that our loops can walk.
  static Value Readable(Planner& planner, Value value) {
    const onednn::Desc& desc = planner.Desc(value);
    return Layout::Of(desc) ? value : planner.In(value, onednn::Plain(onednn::DimsOf(desc), onednn::TypeOf(desc)));
  }

  // Of the convolution from the layer's output to its input. What output_padding adds, no window of it reaches to the
  // end of: its padding there is so much smaller, and may be negative.
  onednn::ConvolutionOptions Options(const Planner& planner) const {
    const Shape& input = planner.InputShape();
    const onednn::Type type = planner.compute_type();
    const int64_t groups = config_.groups();
    onednn::Dims weights = {input[0] / groups, out() / groups, window_.kernel[0], window_.kernel[1]};
    if (groups > 1) weights.insert(weights.begin(), groups);
    const auto dims = [](const std::array<int64_t, 2>& pair) { return onednn::Dims(pair.begin(), pair.end()); };
    onednn::Dims padding_end = dims(window_.padding_end);
    for (int axis = 0; axis < 2; ++axis) padding_end[axis] -= config_.output_padding(axis);
    return {.src = onednn::Any({planner.batch(), out(), Side(input, 0), Side(input, 1)}, type),
            .weights = onednn::Any(weights, type),
            .bias = {},
            .dst = onednn::Any({planner.batch(), input[0], input[1], input[2]}, type),
            .stride = dims(window_.stride),
            .dilation = dims(window_.dilation),
            .padding_begin = dims(window_.padding_begin),
            .padding_end = padding_end};
  }

  absl::Status Backward(Planner& planner, Value source, onednn::ConvolutionOptions options,
                        const onednn::ConvolutionForward& convolution) const {
    const auto& chosen = convolution.desc;
    const Value gradient = GradientAs(planner, chosen.src_desc());
    if (planner.NeedsInputGradient()) {
      const Value input_gradient = planner.New(chosen.dst_desc());
      planner.Run(chosen, {{DNNL_ARG_SRC, gradient},
                           {DNNL_ARG_WEIGHTS, planner.Parameter("weight", chosen.weights_desc())},
                           {DNNL_ARG_DST, input_gradient}});
      GiveInputGradient(planner, 0, input_gradient);
    }
    options.weights = onednn::Any(onednn::DimsOf(options.weights), onednn::Type::f32);
    const auto weights = onednn::ConvolutionGradientOfWeights(options, convolution);
    if (!weights.ok()) return weights.status();
    planner.Run(weights->desc,
                {{DNNL_ARG_SRC, planner.In(gradient, weights->desc.src_desc())},
                 {DNNL_ARG_DIFF_DST, planner.In(source, weights->desc.diff_dst_desc())},
                 {DNNL_ARG_DIFF_WEIGHTS, planner.ParameterGradient("weight", weights->desc.diff_weights_desc())}});
    if (!config_.bias()) return absl::OkStatus();
    const Value from = Readable(planner, gradient), to = planner.ParameterGradient("bias", BiasDesc());
    planner.Run("bias gradient", {from}, {to}, [=, layout = *Layout::Of(planner.Desc(from))](const Frame& frame) {
      float* sums = frame.at<float>(to);
      layout.type == onednn::Type::bf16 ? SumChannels(layout, frame.at<Bfloat16>(from), sums)
                                        : SumChannels(layout, frame.at<float>(from), sums);
    });
    return absl::OkStatus();
  }

  const v1::ConvTranspose2d config_;
  const Window window_;
  int64_t pieces_ = 1;
};

// Two values, each below the stride.
void ResolveOutputPadding(v1::ConvTranspose2d& config, const Window& window, const FieldErrors& errors) {
  auto& amount = *config.mutable_output_padding();
  if (amount.size() > 2) {
    errors.Add(absl::StrCat("takes one value, or height and width, not ", amount.size(), " values"));
    return;
  }
  while (amount.size() < 2) amount.Add(amount.empty() ? 0 : amount.Get(0));
  for (int axis = 0; axis < 2; ++axis) {
    if (amount.Get(axis) < window.stride[axis]) continue;
    errors.Add(absl::StrCat("must be smaller than the stride, ", window.stride[axis], ", not ", amount.Get(axis)));
    return;
  }
}

const Registered<Layer, v1::ConvTranspose2d> kConvTranspose2d(
    "The transpose of a convolution, which enlarges images.",
    [](v1::ConvTranspose2d& config, const FieldErrors& errors) -> std::unique_ptr<Layer> {
      const int before = errors.count();
      CheckChannels(config.out_channels(), errors.At("out_channels"));
      const Window window = ResolveWindow(config, errors);
      if (window.same) {
        errors.At("padding").At("mode").Add(
            "must not be SAME: the output's size follows from amount and output_padding");
      }
      ResolveOutputPadding(config, window, errors.At("output_padding"));
      ResolveGroups(config, errors);
      ResolveWeights(config, errors);
      return errors.count() > before ? nullptr : std::make_unique<ConvTransposeLayer>(config, window);
    });

}  // namespace
}  // namespace traind::core
