#include "core/plan/choose_algorithms.h"

#include "core/plan/convolution_rule.h"

namespace traind::core {

std::vector<v1::LayerAlgorithm> ChooseAlgorithms(const Graph& graph, int64_t batch, v1::Precision precision,
                                                 v1::ConvolutionAlgorithm requested) {
  std::vector<v1::LayerAlgorithm> algorithms;
  for (const Node& node : graph.nodes()) {
    if (!node.convolution) continue;
    algorithms.emplace_back().set_layer(node.name);
    algorithms.back().set_algorithm(ChooseConvolution(*node.convolution, batch, precision, requested));
  }
  return algorithms;
}

}  // namespace traind::core
