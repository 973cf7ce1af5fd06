// What a network is and costs, before anything is allocated: the rows of DescribeNetwork and the memory that admission
// reserves. Pure; thread-safe.
#pragma once

#include "absl/status/statusor.h"
#include "core/graph/graph.h"
#include "core/plan/memory_bound.h"
#include "traind/v1/network.pb.h"

namespace traind::core {

// Everything but the warnings. `expanded` is the network that the graph was built from. Errors are those of
// BoundMemory.
absl::StatusOr<v1::NetworkDescription> Describe(const Graph& graph, const v1::Network& expanded,
                                                const MemoryOptions& options);

}  // namespace traind::core
