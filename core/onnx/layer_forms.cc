#include <map>

#include "core/onnx/forms.h"

namespace traind::core::onnx {
namespace {

std::string Linear(const LayerParts& parts) {
  if (parts.config.dense().per_position()) return DenseOverPositions(parts);
  GraphWriter& graph = parts.graph;
  std::string x = parts.inputs[0];
  if (parts.node.input_shapes[0].size() > 1) x = graph.Op("Flatten", {x}, {{"axis", int64_t{1}}});
  std::vector<std::string> inputs = {x, parts.Weight("weight")};
  if (parts.has("bias")) inputs.push_back(parts.Weight("bias"));
  return graph.Op("Gemm", std::move(inputs), {{"transB", int64_t{1}}});
}

std::string Conv2d(const LayerParts& parts) {
  const ConvolutionShape& convolution = *parts.node.convolution;
  const Window& window = convolution.window;
  const PlacedWindow& placed = convolution.placed;
  std::vector<std::string> inputs = {parts.inputs[0], parts.Weight("weight")};
  if (parts.has("bias")) inputs.push_back(parts.Weight("bias"));
  const std::vector<int64_t> pads = {placed.padding_begin[0], placed.padding_begin[1], placed.padding_end[0],
                                     placed.padding_end[1]};
  return parts.graph.Op("Conv", std::move(inputs),
                        {{"kernel_shape", window.kernel},
                         {"strides", window.stride},
                         {"dilations", window.dilation},
                         {"pads", pads},
                         {"group", convolution.groups}});
}

std::string BatchNorm(const LayerParts& parts) {
  return parts.graph.Op("BatchNormalization",
                        {parts.inputs[0], parts.Weight("weight"), parts.Weight("bias"), parts.Weight("running_mean"),
                         parts.Weight("running_var")},
                        {{"epsilon", parts.config.batch_norm().epsilon()}});
}

std::string LayerNorm(const LayerParts& parts) {
  if (parts.config.layer_norm().per_position()) return NormOverPositions(parts);
  return parts.graph.Op("LayerNormalization", {parts.inputs[0], parts.Weight("weight"), parts.Weight("bias")},
                        {{"axis", int64_t{1}}, {"epsilon", parts.config.layer_norm().epsilon()}});
}

// Groups as the channels of an instance normalization; opset 17 has no operator of its own.
std::string GroupNorm(const LayerParts& parts) {
  GraphWriter& graph = parts.graph;
  const v1::GroupNorm& config = parts.config.group_norm();
  const Shape& shape = parts.node.output;
  const int64_t groups = config.groups();
  const std::vector<float> ones(static_cast<size_t>(groups), 1.0f), zeros(static_cast<size_t>(groups), 0.0f);
  const std::string normal = graph.Op("InstanceNormalization",
                                      {graph.Reshape(parts.inputs[0], {groups, Elements(shape) / groups}),
                                       graph.Floats("ones", {groups}, ones), graph.Floats("zeros", {groups}, zeros)},
                                      {{"epsilon", config.epsilon()}});
  const std::string scaled =
      graph.Op("Mul", {graph.Reshape(normal, shape), graph.PerChannel(parts.Weight("weight"), shape)});
  return graph.Op("Add", {scaled, graph.PerChannel(parts.Weight("bias"), shape)});
}

std::string LocalResponseNorm(const LayerParts& parts) {
  const v1::LocalResponseNorm& config = parts.config.local_response_norm();
  return parts.graph.Op(
      "LRN", {parts.inputs[0]},
      {{"size", int64_t{config.size()}}, {"alpha", config.alpha()}, {"beta", config.beta()}, {"bias", config.k()}});
}

// Training drops; only the classic form does something at test time.
std::string Dropout(const LayerParts& parts) {
  const v1::Dropout& config = parts.config.dropout();
  if (config.form() != v1::Dropout::FORM_CLASSIC) return parts.graph.Op("Identity", {parts.inputs[0]});
  return parts.graph.Op("Mul", {parts.inputs[0], parts.graph.Number(1 - config.rate())});
}

std::string StochasticDepth(const LayerParts& parts) {
  return parts.graph.Op("Mul", {parts.inputs[0], parts.graph.Number(parts.config.stochastic_depth().survival())});
}

std::string ScalarAffine(const LayerParts& parts) {
  std::string x = parts.inputs[0];
  if (parts.has("weight")) x = parts.graph.Op("Mul", {x, parts.Weight("weight")});
  if (parts.has("bias")) x = parts.graph.Op("Add", {x, parts.Weight("bias")});
  return x == parts.inputs[0] ? parts.graph.Op("Identity", {x}) : x;
}

std::string GlobalAvgPool(const LayerParts& parts) {
  return parts.graph.Op("Flatten", {parts.graph.Op("GlobalAveragePool", {parts.inputs[0]})}, {{"axis", int64_t{1}}});
}

std::string Flatten(const LayerParts& parts) {
  return parts.graph.Op("Flatten", {parts.inputs[0]}, {{"axis", int64_t{1}}});
}

std::string Add(const LayerParts& parts) { return parts.graph.Op("Sum", parts.inputs); }

std::string Concat(const LayerParts& parts) { return parts.graph.Op("Concat", parts.inputs, {{"axis", int64_t{1}}}); }

std::string Softmax(const LayerParts& parts) {
  return parts.graph.Op("Softmax", {parts.inputs[0]}, {{"axis", int64_t{1}}});
}

}  // namespace

LayerForm FindLayerForm(absl::string_view kind) {
  static const std::map<absl::string_view, LayerForm> forms = {
      {"dense", Linear},
      {"conv2d", Conv2d},
      {"depthwise_conv2d", Conv2d},
      {"max_pool", MaxPoolForm},
      {"avg_pool", AvgPoolForm},
      {"global_avg_pool", GlobalAvgPool},
      {"batch_norm", BatchNorm},
      {"dropout", Dropout},
      {"flatten", Flatten},
      {"add", Add},
      {"concat", Concat},
      {"softmax", Softmax},
      {"layer_norm", LayerNorm},
      {"group_norm", GroupNorm},
      {"local_response_norm", LocalResponseNorm},
      {"fractional_max_pool", FractionalMaxPoolForm},
      {"drop_connect", Linear},  // All weights, as they are.
      {"stochastic_depth", StochasticDepth},
      {"scalar_affine", ScalarAffine},
  };
  const auto found = forms.find(kind);
  return found == forms.end() ? FindSequenceForm(kind) : found->second;
}

}  // namespace traind::core::onnx
