// How rules go through a report of statistics. For the rules' own files.
#pragma once

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "core/insight/rule.h"

namespace traind::core {

// Calls `look` with each layer of the report and its node, in the order of the network.
template <class Look>
void ForEachLayer(const View& view, const Look& look) {
  auto layer = view.statistics->layers().begin();
  for (const Node& node : view.facts.graph->nodes()) {
    if (layer == view.statistics->layers().end()) return;
    if (layer->layer() != node.name) continue;  // Reports are in the order of the network.
    look(*layer, node);
    ++layer;
  }
}

// The same without the layers that stand still on purpose: frozen ones, and those without tensors of their own that
// read nothing but such.
template <class Look>
void ForEachMovingLayer(const View& view, const Look& look) {
  const std::vector<Node>& nodes = view.facts.graph->nodes();
  std::vector<bool> still(nodes.size());
  ForEachLayer(view, [&](const v1::LayerStatistics& layer, const Node& node) {
    const auto stands = [&](int input) { return input != Node::kNetworkInput && still[static_cast<size_t>(input)]; };
    const bool follows = node.parameters.empty() && std::all_of(node.inputs.begin(), node.inputs.end(), stands);
    still[static_cast<size_t>(&node - nodes.data())] = layer.frozen() || follows;
    if (!layer.frozen() && !follows) look(layer, node);
  });
}

// A layer's weights proper in the report, unless they are frozen.
struct WeightsOf {
  const Node* node;
  const v1::ParameterStatistics* statistics;
};
std::vector<WeightsOf> WeightsIn(const View& view);

// About what works for a step over the weights (Karpathy, CS231n notes).
inline constexpr double kUsualUpdateRatio = 1e-3;
// Far from it, as UpdateRatioRule's defaults have it: that rule then speaks.
inline bool IsUnusualRatio(double ratio) { return ratio < kUsualUpdateRatio / 10 || ratio > kUsualUpdateRatio * 10; }
// Update over weight, median over the layers' weights that are not zero; 0: there are none.
double MedianUpdateRatio(const View& view);

// Root mean square of the gradient.
inline double GradientRms(const v1::ParameterStatistics& parameter) {
  return std::hypot(static_cast<double>(parameter.gradient_mean()), static_cast<double>(parameter.gradient_std()));
}

}  // namespace traind::core
