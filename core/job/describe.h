// What a network is and costs, before anything is allocated: the rows of DescribeNetwork and the memory that admission
// reserves. Pure; thread-safe.
#pragma once

#include <cstdint>

#include "absl/types/span.h"
#include "core/graph/graph.h"
#include "traind/v1/checkpoint.pb.h"
#include "traind/v1/job.pb.h"
#include "traind/v1/network.pb.h"

namespace traind::core {

struct DescribeOptions {
  int64_t batch = 1;
  int optimizer_slots = 0;  // State tensors for each trained one.
  v1::Precision precision = v1::F32;
  uint32_t threads = 1;                             // Kernels keep a scratch copy for each.
  absl::Span<const v1::LayerAlgorithm> algorithms;  // For conv2d layers.
};

// Everything but the warnings. `expanded` is the network that the graph was built from. The memory is an upper bound:
// in training every value of the forward pass is alive, gradients only as long as the planner keeps them, both in the
// widest layout a kernel may choose, beside parameters, optimizer's state and the plan of the evaluation. It is at most
// 2^62, also for networks that could never run.
v1::NetworkDescription Describe(const Graph& graph, const v1::Network& expanded, const DescribeOptions& options);

}  // namespace traind::core
