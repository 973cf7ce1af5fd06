// What dense, the convolutions and drop_connect share: each has a weight, perhaps a bias, and primitives with the same
// arguments. An `Op` is a onednn::Op of the pass; `gradient` is that of the layer's output.
#pragma once

#include "core/kinds/checks.h"
#include "core/kinds/values.h"
#include "core/layers/fusion.h"
#include "core/onednn/desc.h"
#include "core/onednn/primitives.h"

namespace traind::core {

// --- Before anything is planned.

// The defaults of `bias`, `weight_init` and `bias_init` of a dense or conv2d layer.
template <class Config>
void ResolveWeights(Config& config, const FieldErrors& errors) {
  if (!config.has_bias()) config.set_bias(true);
  ResolveInitializer(config.mutable_weight_init(), KaimingInitializer(), errors.At("weight_init"));
  if (config.bias()) {
    ResolveInitializer(config.mutable_bias_init(), ZerosInitializer(), errors.At("bias_init"));
  } else if (config.has_bias_init()) {
    errors.At("bias_init").Add("contradicts bias: false");
  }
}

// The default of `groups` of a convolution.
template <class Config>
void ResolveGroups(Config& config, const FieldErrors& errors) {
  if (!config.has_groups()) config.set_groups(1);
  if (config.groups() < 1) errors.At("groups").Add("must be at least 1");
}

// What ResolveWeights filled in, as a conv2d has it.
template <class Config>
v1::Conv2d WeightsOf(const Config& config) {
  v1::Conv2d weights;
  weights.set_bias(config.bias());
  *weights.mutable_weight_init() = config.weight_init();
  if (config.bias()) *weights.mutable_bias_init() = config.bias_init();
  return weights;
}

// The weight of `weight_shape` and, where the config has one, the bias [weight_shape[0]] of a dense or conv2d layer.
template <class Config>
void AddWeights(const Config& config, const Shape& weight_shape, int64_t fan_in, int64_t fan_out, LayerShape& shape) {
  shape.parameters.push_back({.name = "weight",
                              .shape = weight_shape,
                              .initializer = config.weight_init(),
                              .fan_in = fan_in,
                              .fan_out = fan_out,
                              .penalized = true});
  if (!config.bias()) return;
  shape.parameters.push_back({.name = "bias",
                              .shape = {weight_shape[0]},
                              .initializer = config.bias_init(),
                              .fan_in = fan_in,
                              .fan_out = fan_out});
}

// The shape of a layer with a weight [units, features of the input] and, where its config has one, a bias [units]:
// dense and drop_connect. `units` is the config's own number times `pieces` (Layer::Widen).
template <class Config>
LayerShape DenseShape(const Config& config, int64_t pieces, absl::Span<const Shape> inputs, const FieldErrors& errors) {
  LayerShape shape;
  const Shape* input = SingleInput(inputs, errors);
  if (input == nullptr) return shape;
  const int64_t in = Elements(*input), out = config.units() * pieces;
  if (pieces > 1) CheckChannels(out, errors.At("units"));
  shape.output = {out};
  AddWeights(config, {out, in}, in, out, shape);
  CheckParameter(shape.parameters[0], errors.At("units"));
  shape.forward_flops = CheckedFlops(out, in, config.bias() ? 1 : 0, errors.At("units"));
  return shape;
}

// --- Planning.

// Appends the forward pass and sets the layer's output. `weight` is what stands for the parameter "weight", if valid.
// Returns the source as the primitive reads it.
template <class Op>
Value RunWeightedForward(Planner& planner, const Op& forward, Value source, Value weight, bool has_bias) {
  const auto& chosen = forward.desc;
  const Value read = planner.In(source, chosen.src_desc());
  if (!weight.valid()) weight = planner.Parameter("weight", chosen.weights_desc());
  Value bias;
  if (has_bias) bias = planner.Parameter("bias", chosen.bias_desc());
  const Value output = planner.New(chosen.dst_desc());
  const Planner::Arguments arguments = {{DNNL_ARG_SRC, read},
                                        {DNNL_ARG_WEIGHTS, planner.In(weight, chosen.weights_desc())},
                                        {DNNL_ARG_BIAS, bias},
                                        {DNNL_ARG_DST, output}};
  planner.Run(chosen, arguments);
  planner.SetOutput(output);
  if (forward.plain) planner.ObserveUnfused(*forward.plain, arguments);
  return read;
}

// Appends the gradient for the layer's input; `weight` as above.
template <class Op>
void RunGradientOfData(Planner& planner, const Op& data, Value weight, Value gradient) {
  if (!weight.valid()) weight = planner.Parameter("weight", data.desc.weights_desc());
  const Value input_gradient = planner.New(data.desc.diff_src_desc());
  planner.Run(data.desc, {{DNNL_ARG_DIFF_DST, planner.In(gradient, data.desc.diff_dst_desc())},
                          {DNNL_ARG_WEIGHTS, planner.In(weight, data.desc.weights_desc())},
                          {DNNL_ARG_DIFF_SRC, input_gradient}});
  GiveInputGradient(planner, 0, input_gradient);
}

// Appends the gradients of the weight, into `weight_gradient` or, if that is not valid, for the parameter "weight", and
// of the bias where there is one. `source` is the forward pass's input.
template <class Op>
void RunGradientOfWeights(Planner& planner, const Op& weights, Value source, Value gradient, Value weight_gradient,
                          bool has_bias) {
  if (!weight_gradient.valid()) {
    weight_gradient = planner.ParameterGradient("weight", weights.desc.diff_weights_desc());
  }
  Value bias_gradient;
  if (has_bias) bias_gradient = planner.ParameterGradient("bias", weights.desc.diff_bias_desc());
  planner.Run(weights.desc, {{DNNL_ARG_SRC, planner.In(source, weights.desc.src_desc())},
                             {DNNL_ARG_DIFF_DST, planner.In(gradient, weights.desc.diff_dst_desc())},
                             {DNNL_ARG_DIFF_WEIGHTS, weight_gradient},
                             {DNNL_ARG_DIFF_BIAS, bias_gradient}});
}

// --- An inner product: dense, and drop_connect where no example has a mask of its own.

// Of a source [n, features], or an image in blocked layout, with `units` outputs.
inline onednn::InnerProductOptions InnerProductOf(const Planner& planner, const dnnl::memory::desc& source,
                                                  int64_t units, bool has_bias) {
  const onednn::Dims source_dims = onednn::DimsOf(source);
  onednn::Dims weight_dims = source_dims;
  weight_dims[0] = units;
  return {.src = source,
          .weights = onednn::Any(weight_dims, planner.compute_type()),
          .bias = has_bias ? onednn::Plain({units}, onednn::Type::f32) : onednn::Desc(),
          .dst = onednn::Plain({source_dims[0], units}, planner.compute_type())};
}

// The gradient for the layer's input, which reads the weights as the forward pass does, unless only the slow reference
// kernel would. `options` are the forward pass's but for the weights' layout.
inline absl::Status RunGradientOfData(Planner& planner, onednn::InnerProductOptions options,
                                      const onednn::InnerProductForward& forward, Value weight, Value gradient) {
  options.weights = forward.desc.weights_desc();
  auto data = onednn::InnerProductGradientOfData(options, forward);
  if (!data.ok() || IsReference(*data)) {
    options.weights = onednn::Any(onednn::DimsOf(options.weights), planner.compute_type());
    data = onednn::InnerProductGradientOfData(options, forward);
  }
  if (!data.ok()) return data.status();
  RunGradientOfData(planner, *data, weight, gradient);
  return absl::OkStatus();
}

// The whole way back. Returns the gradient of `weight`, what stood for the parameter in the forward pass; where that is
// not valid, the gradient is the parameter's.
inline absl::StatusOr<Value> RunInnerProductGradients(Planner& planner, onednn::InnerProductOptions options,
                                                      const onednn::InnerProductForward& forward, Value source,
                                                      Value weight, bool has_bias) {
  const Value gradient = GradientAs(planner, options.dst);
  if (planner.NeedsInputGradient()) {
    const absl::Status status = RunGradientOfData(planner, options, forward, weight, gradient);
    if (!status.ok()) return status;
  }
  options.weights = onednn::Any(onednn::DimsOf(options.weights), onednn::Type::f32);
  auto weights = onednn::InnerProductGradientOfWeights(options, forward);
  if (!weights.ok()) return weights.status();
  Value weight_gradient;
  if (weight.valid()) weight_gradient = planner.New(weights->desc.diff_weights_desc());
  RunGradientOfWeights(planner, *weights, source, gradient, weight_gradient, has_bias);
  return weight_gradient;
}

}  // namespace traind::core
