// Regularizers that act on nothing. Pure; thread-safe.
#pragma once

#include <string>
#include <vector>

#include "core/graph/graph.h"
#include "traind/v1/network.pb.h"

namespace traind::core {

// One warning for each group of parameters that a regularizer of the network as it was `written`, of a layer or of a
// block of it names, and that nothing it acts on has.
void WarnOfPenalties(const v1::Network& written, const Graph& graph, std::vector<std::string>& warnings);

}  // namespace traind::core
