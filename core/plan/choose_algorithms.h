// The convolution kernels of a whole network. Pure; thread-safe.
#pragma once

#include <cstdint>
#include <vector>

#include "core/graph/graph.h"
#include "traind/v1/job.pb.h"

namespace traind::core {

// core/plan/convolution_rule.h for each convolution of `graph`, in its order, for minibatches of `batch`.
std::vector<v1::LayerAlgorithm> ChooseAlgorithms(const Graph& graph, int64_t batch, v1::Precision precision,
                                                 v1::ConvolutionAlgorithm requested);

}  // namespace traind::core
