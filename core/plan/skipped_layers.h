// Which layers need not be computed in a step in which another one leaves its input out (Layer::leaves_out): those
// whose output reaches the network's only through that one. Backward all of them, since their gradients are zeros;
// forward all but those that keep statistics of the minibatch (batch norm's running ones move in every step) and what
// these read. Pure; thread-safe.
#pragma once

#include <cstdint>
#include <vector>

#include "core/graph/graph.h"

namespace traind::core {

struct SkippedLayers {
  std::vector<Layer::LeavesOut> rules;
  // By node: ascending indices of rules, of which one that holds is enough.
  std::vector<std::vector<int>> forward;
  std::vector<std::vector<int>> backward;
};

SkippedLayers FindSkippedLayers(const Graph& graph, uint64_t seed, bool training);

}  // namespace traind::core
