// Layers over positions. Sequences are [batch, features, length], as in traind; what works on features sees them last.
#include <cmath>
#include <map>
#include <vector>

#include "core/onnx/forms.h"

namespace traind::core::onnx {
namespace {

using Axes = std::vector<int64_t>;

// [n, c, ...] -> [n, ..., c], of an example of `rank` dimensions, and back.
std::string FeaturesLast(GraphWriter& graph, const std::string& x, size_t rank) {
  Axes order = {0};
  for (size_t axis = 2; axis <= rank; ++axis) order.push_back(static_cast<int64_t>(axis));
  order.push_back(1);
  return graph.Op("Transpose", {x}, {{"perm", order}});
}
std::string FeaturesFirst(GraphWriter& graph, const std::string& x, size_t rank) {
  Axes order = {0, static_cast<int64_t>(rank)};
  for (size_t axis = 1; axis < rank; ++axis) order.push_back(static_cast<int64_t>(axis));
  return graph.Op("Transpose", {x}, {{"perm", order}});
}

// x W^T + b, over the last dimension.
std::string Linear(const LayerParts& parts, const std::string& x, absl::string_view weight, absl::string_view bias) {
  GraphWriter& graph = parts.graph;
  const std::string transposed = graph.Op("Transpose", {parts.Weight(weight)}, {{"perm", Axes{1, 0}}});
  const std::string product = graph.Op("MatMul", {x, transposed});
  return parts.has(bias) ? graph.Op("Add", {product, parts.Weight(bias)}) : product;
}

std::string Conv1d(const LayerParts& parts) {
  const ConvolutionShape& over = *parts.node.convolution;
  std::vector<std::string> inputs = {parts.inputs[0], parts.Weight("weight")};
  if (parts.has("bias")) inputs.push_back(parts.Weight("bias"));
  return parts.graph.Op("Conv", std::move(inputs),
                        {{"kernel_shape", Axes{over.window.kernel[1]}},
                         {"strides", Axes{over.window.stride[1]}},
                         {"dilations", Axes{over.window.dilation[1]}},
                         {"pads", Axes{over.placed.padding_begin[1], over.placed.padding_end[1]}},
                         {"group", over.groups}});
}

std::string ToSequence(const LayerParts& parts) { return parts.graph.Reshape(parts.inputs[0], parts.node.output); }

std::string Embedding(const LayerParts& parts) {
  GraphWriter& graph = parts.graph;
  const v1::Embedding& config = parts.config.embedding();
  const std::string ids = graph.Op("Cast", {parts.inputs[0]}, {{"to", int64_t{kInt64}}});
  std::string vectors = graph.Op("Gather", {parts.Weight("weight"), ids});
  if (config.has_padding_token()) {
    const std::string padding = graph.Op("Equal", {ids, graph.Ints("padding", {int64_t{config.padding_token()}})});
    const std::string kept = graph.Op("Cast", {graph.Op("Not", {padding})}, {{"to", int64_t{kFloat}}});
    vectors = graph.Op("Mul", {vectors, graph.Op("Unsqueeze", {kept, graph.Ints("axes", {2})})});
  }
  return FeaturesFirst(graph, vectors, 2);
}

std::string PositionalEmbedding(const LayerParts& parts) {
  GraphWriter& graph = parts.graph;
  if (parts.has("weight")) {
    const std::string table = graph.Op("Transpose", {parts.Weight("weight")}, {{"perm", Axes{1, 0}}});
    return graph.Op("Add", {parts.inputs[0], table});
  }
  const int64_t features = parts.node.output[0], length = parts.node.output[1];
  std::vector<float> table;
  for (int64_t f = 0; f < features; ++f) {
    const double wave = std::pow(10000.0, static_cast<double>(f - f % 2) / static_cast<double>(features));
    for (int64_t t = 0; t < length; ++t) {
      const double angle = static_cast<double>(t) / wave;
      table.push_back(static_cast<float>(f % 2 == 0 ? std::sin(angle) : std::cos(angle)));
    }
  }
  return graph.Op("Add", {parts.inputs[0], graph.Floats("sinusoids", {features, length}, table)});
}

// The token once for each example: its shape is [batch] from the input, and [features, 1].
std::string ClassToken(const LayerParts& parts) {
  GraphWriter& graph = parts.graph;
  const std::string batch =
      graph.Op("Gather", {graph.Op("Shape", {parts.inputs[0]}), graph.Ints("first", {0})}, {{"axis", int64_t{0}}});
  const std::string shape =
      graph.Op("Concat", {batch, graph.Ints("token", {parts.node.output[0], 1})}, {{"axis", int64_t{0}}});
  const std::string token = graph.Op("Unsqueeze", {parts.Weight("weight"), graph.Ints("axes", {1})});
  return graph.Op("Concat", {graph.Op("Expand", {token, shape}), parts.inputs[0]}, {{"axis", int64_t{2}}});
}

std::string TakePosition(const LayerParts& parts) {
  GraphWriter& graph = parts.graph;
  const std::string index = graph.Ints("index", {int64_t{parts.config.take_position().index()}});
  return graph.Reshape(graph.Op("Gather", {parts.inputs[0], index}, {{"axis", int64_t{2}}}), parts.node.output);
}

std::string Attention(const LayerParts& parts) {
  GraphWriter& graph = parts.graph;
  const int64_t features = parts.node.output[0], length = parts.node.output[1];
  const int64_t heads = parts.config.multi_head_attention().heads(), each = features / heads;
  std::string x = Linear(parts, FeaturesLast(graph, parts.inputs[0], 2), "in_proj_weight", "in_proj_bias");
  // [3, n, heads, length, each], of which each part keeps its first dimension, 1.
  x = graph.Op("Transpose", {graph.Reshape(x, {length, 3, heads, each})}, {{"perm", Axes{2, 0, 3, 1, 4}}});
  const auto part = [&](int64_t i) { return graph.Op("Gather", {x, graph.Ints("part", {i})}, {{"axis", int64_t{0}}}); };
  const std::string q = graph.Op("Mul", {part(0), graph.Number(1 / std::sqrt(static_cast<double>(each)))});
  const std::string k = graph.Op("Transpose", {part(1)}, {{"perm", Axes{0, 1, 2, 4, 3}}});
  const std::string p = graph.Op("Softmax", {graph.Op("MatMul", {q, k})}, {{"axis", int64_t{-1}}});
  const std::string o = graph.Op("MatMul", {p, part(2)});
  const std::string rows =
      graph.Reshape(graph.Op("Transpose", {o}, {{"perm", Axes{1, 3, 0, 2, 4}}}), {length, features});
  return FeaturesFirst(graph, Linear(parts, rows, "out_proj.weight", "out_proj.bias"), 2);
}

// Where the features keep their place.
std::string Multiply(const LayerParts& parts) {
  const Shape& shape = parts.node.input_shapes[0];
  const bool channels = parts.node.input_shapes[1].size() < shape.size();
  GraphWriter& graph = parts.graph;
  if (!channels) return graph.Op("Mul", parts.inputs);
  Axes axes;
  for (size_t axis = 2; axis <= shape.size(); ++axis) axes.push_back(static_cast<int64_t>(axis));
  return graph.Op("Mul", {parts.inputs[0], graph.Op("Unsqueeze", {parts.inputs[1], graph.Ints("axes", axes)})});
}

std::string ConvTranspose2d(const LayerParts& parts) {
  const v1::ConvTranspose2d& config = parts.config.conv_transpose2d();
  const auto list = [](const google::protobuf::RepeatedField<uint32_t>& values) {
    return Axes(values.begin(), values.end());
  };
  std::vector<std::string> inputs = {parts.inputs[0], parts.Weight("weight")};
  if (parts.has("bias")) inputs.push_back(parts.Weight("bias"));
  Axes pads = {0, 0, 0, 0};  // Top, left, bottom, right; in the config top, bottom, left, right.
  if (config.padding().amount_size() == 4) {
    const auto& amount = config.padding().amount();
    pads = {amount[0], amount[2], amount[1], amount[3]};
  }
  return parts.graph.Op("ConvTranspose", std::move(inputs),
                        {{"kernel_shape", list(config.kernel())},
                         {"strides", list(config.stride())},
                         {"dilations", list(config.dilation())},
                         {"output_padding", list(config.output_padding())},
                         {"pads", pads},
                         {"group", int64_t{config.groups()}}});
}

std::string GlobalMaxPool(const LayerParts& parts) {
  return parts.graph.Op("Flatten", {parts.graph.Op("GlobalMaxPool", {parts.inputs[0]})}, {{"axis", int64_t{1}}});
}

}  // namespace

std::string DenseOverPositions(const LayerParts& parts) {
  const size_t rank = parts.node.output.size();
  const std::string rows = FeaturesLast(parts.graph, parts.inputs[0], rank);
  return FeaturesFirst(parts.graph, Linear(parts, rows, "weight", "bias"), rank);
}

std::string NormOverPositions(const LayerParts& parts) {
  GraphWriter& graph = parts.graph;
  const size_t rank = parts.node.output.size();
  const std::string normal = graph.Op(
      "LayerNormalization", {FeaturesLast(graph, parts.inputs[0], rank), parts.Weight("weight"), parts.Weight("bias")},
      {{"axis", int64_t{-1}}, {"epsilon", parts.config.layer_norm().epsilon()}});
  return FeaturesFirst(graph, normal, rank);
}

LayerForm FindSequenceForm(absl::string_view kind) {
  static const std::map<absl::string_view, LayerForm> forms = {
      {"conv1d", Conv1d},
      {"to_sequence", ToSequence},
      {"embedding", Embedding},
      {"positional_embedding", PositionalEmbedding},
      {"class_token", ClassToken},
      {"take_position", TakePosition},
      {"multi_head_attention", Attention},
      {"multiply", Multiply},
      {"conv_transpose2d", ConvTranspose2d},
      {"global_max_pool", GlobalMaxPool},
  };
  const auto found = forms.find(kind);
  return found == forms.end() ? nullptr : found->second;
}

}  // namespace traind::core::onnx
