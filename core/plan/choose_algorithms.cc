#include "core/plan/choose_algorithms.h"

#include <algorithm>

#include "core/kinds/window.h"
#include "core/plan/convolution_rule.h"

namespace traind::core {
namespace {

ConvolutionShape ShapeOf(const Node& node, v1::Conv2d config, int64_t batch) {
  FieldErrors::Root ignored;  // The graph has reported them.
  const Window window = ResolveWindow({.kernel = config.mutable_kernel(),
                                       .stride = config.mutable_stride(),
                                       .dilation = config.mutable_dilation(),
                                       .padding = config.mutable_padding()},
                                      ignored.scope());
  const Shape& input = node.input_shapes[0];
  const PlacedWindow placed = window.Place(input);
  const auto& begin = placed.padding_begin;
  const auto& end = placed.padding_end;
  // The kernels compute every piece of a maxout behind them, as the weights say.
  const Shape& weight = node.parameters[0].shape;
  return {.batch = batch,
          .in_channels = input[0],
          .out_channels = weight[0],
          .groups = config.groups(),
          .kernel_height = window.kernel[0],
          .kernel_width = window.kernel[1],
          .stride_height = window.stride[0],
          .stride_width = window.stride[1],
          .dilation_height = window.dilation[0],
          .dilation_width = window.dilation[1],
          .padding = std::max({begin[0], begin[1], end[0], end[1]}),
          .output_height = placed.output[0],
          .output_width = placed.output[1]};
}

}  // namespace

std::vector<v1::LayerAlgorithm> ChooseAlgorithms(const Graph& graph, const v1::Network& network, int64_t batch,
                                                 v1::Precision precision, v1::ConvolutionAlgorithm requested) {
  std::vector<v1::LayerAlgorithm> algorithms;
  for (const Node& node : graph.nodes()) {
    const auto layer = std::find_if(network.layers().begin(), network.layers().end(),
                                    [&](const v1::Layer& one) { return one.name() == node.name; });
    if (layer == network.layers().end() || !layer->has_conv2d()) continue;
    algorithms.emplace_back().set_layer(node.name);
    algorithms.back().set_algorithm(ChooseConvolution(ShapeOf(node, layer->conv2d(), batch), precision, requested));
  }
  return algorithms;
}

}  // namespace traind::core
