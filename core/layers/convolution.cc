#include "core/layers/convolution.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "core/kinds/checks.h"
#include "core/kinds/values.h"
#include "core/layers/fusion.h"
#include "core/layers/weighted.h"
#include "core/onednn/desc.h"

namespace traind::core {
namespace {

using onednn::Dims;
using onednn::Type;

// make(options), by direct kernels where Winograd has none for this direction.
template <class Make>
auto WithFallback(onednn::ConvolutionOptions options, const onednn::ConvolutionForward& forward, const Make& make)
    -> decltype(make(options, forward)) {
  auto made = make(options, forward);
  if (made.ok() || !options.winograd) return made;
  options.winograd = false;
  return make(options, forward);
}

}  // namespace

bool ConvolutionLayer::Widen(int64_t pieces) {
  if (multiplier_ > 0) return false;  // The pieces of one unit would read other channels.
  pieces_ = pieces;
  return true;
}

ConvolutionShape ConvolutionLayer::Place(const Shape& image) const {
  const bool depthwise = multiplier_ > 0;
  return {.in_channels = image[0],
          .out_channels = depthwise ? image[0] * multiplier_ : config_.out_channels() * pieces_,
          .groups = depthwise ? image[0] : config_.groups(),
          .window = window_,
          .placed = window_.Place(image)};
}

LayerShape ConvolutionLayer::Infer(absl::Span<const Shape> inputs, const FieldErrors& errors) const {
  LayerShape shape;
  const bool sequence = over_ == Over::kSequence;
  const Shape* input = sequence ? SingleSequence(inputs, errors) : SingleImage(inputs, errors);
  if (input == nullptr) return shape;
  CheckGroups((*input)[0], errors);
  const ConvolutionShape over = Place(ImageOf(*input));
  if (!sequence) {
    window_.Place(*input, errors);
  } else if (over.placed.output[1] < 1) {
    errors.At("kernel").Add(absl::StrCat("reaches over ", window_.extent(1), " positions, more than the sequence ",
                                         ToString(*input), " has with its padding"));
  }
  const int64_t in_each = over.in_channels / over.groups, out_each = over.out_channels / over.groups;
  const int64_t taps = window_.kernel[0] * window_.kernel[1];
  const int64_t fan_in = CheckedElements({in_each, taps});
  const int64_t fan_out = CheckedElements({out_each, taps});
  Shape weight = {over.out_channels, in_each, window_.kernel[0], window_.kernel[1]};
  shape.output = {over.out_channels, over.placed.output[0], over.placed.output[1]};
  if (sequence) {
    weight.erase(weight.begin() + 2);
    shape.output.erase(shape.output.begin() + 1);
  }
  shape.convolution = over;
  AddWeights(config_, weight, fan_in, fan_out, shape);
  CheckParameter(shape.parameters[0], errors.At("kernel"));
  const int64_t outputs = CheckedElements(shape.output);
  if (outputs < 0) errors.At("padding").Add(absl::StrCat("gives an output of ", ToString(shape.output)));
  if (outputs > 0 && fan_in > 0) {
    shape.forward_flops = CheckedFlops(outputs, fan_in, config_.bias() ? 1 : 0, errors.At("kernel"));
  }
  return shape;
}

void ConvolutionLayer::CheckGroups(int64_t in, const FieldErrors& errors) const {
  if (multiplier_ > 0) {
    CheckChannels(in * multiplier_, errors.At("multiplier"));
    return;
  }
  const int64_t out = config_.out_channels() * pieces_, groups = config_.groups();
  if (pieces_ > 1) CheckChannels(out, errors.At("out_channels"));
  if (in % groups != 0) {
    errors.At("groups").Add(absl::StrCat("must divide the input's channels: ", in, " / ", groups));
  }
  if (out % groups != 0) {
    errors.At("groups").Add(absl::StrCat("must divide the output's channels: ", out, " / ", groups));
  }
}

absl::StatusOr<BackwardPlan> ConvolutionLayer::Plan(Planner& planner) const {
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

// All layouts are the kernels' choice.
onednn::ConvolutionOptions ConvolutionLayer::Options(const Planner& planner) const {
  const Shape input = ImageOf(planner.InputShape());
  const ConvolutionShape over = Place(input);
  const Type type = planner.compute_type();
  const auto dims = [](const std::array<int64_t, 2>& pair) { return Dims(pair.begin(), pair.end()); };
  Dims weights = {over.out_channels / over.groups, over.in_channels / over.groups, window_.kernel[0],
                  window_.kernel[1]};
  if (over.groups > 1) weights.insert(weights.begin(), over.groups);
  return {.src = onednn::Any({planner.batch(), input[0], input[1], input[2]}, type),
          .weights = onednn::Any(weights, type),
          .bias = config_.bias() ? onednn::Plain({over.out_channels}, Type::f32) : onednn::Desc(),
          .dst = onednn::Any({planner.batch(), over.out_channels, over.placed.output[0], over.placed.output[1]}, type),
          .stride = dims(window_.stride),
          .dilation = dims(window_.dilation),
          .padding_begin = dims(over.placed.padding_begin),
          .padding_end = dims(over.placed.padding_end)};
}

absl::Status ConvolutionLayer::Backward(Planner& planner, Value source, onednn::ConvolutionOptions options,
                                        const onednn::ConvolutionForward& forward) const {
  const Value gradient = GradientAs(planner, forward.desc.dst_desc());
  if (planner.NeedsInputGradient()) {
    auto data = WithFallback(options, forward, onednn::ConvolutionGradientOfData);
    if (!data.ok()) return data.status();
    RunGradientOfData(planner, *data, Value(), gradient);
  }
  if (planner.Frozen("weight") && (!config_.bias() || planner.Frozen("bias"))) return absl::OkStatus();
  options.weights = onednn::Any(onednn::DimsOf(options.weights), Type::f32);
  auto weights = WithFallback(options, forward, onednn::ConvolutionGradientOfWeights);
  if (!weights.ok()) return weights.status();
  RunGradientOfWeights(planner, *weights, source, gradient, Value(), config_.bias());
  return absl::OkStatus();
}

}  // namespace traind::core
