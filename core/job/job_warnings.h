// What a configuration allows but a person should know before training starts (lecture slides 38-63, 79).
// Pure; thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/graph/graph.h"
#include "traind/v1/dataset.pb.h"
#include "traind/v1/job.pb.h"
#include "traind/v1/statistics.pb.h"

namespace traind::core {

// About the network alone, for minibatches of `batch`.
std::vector<std::string> NetworkWarnings(const Graph& graph, int64_t batch);

// The network's, and what insight sees in its statistics before it was trained.
std::vector<std::string> ProbeWarnings(const Graph& graph, int64_t batch, const v1::StatisticsReport& statistics);

// About a resolved job: the network's, and those about its data, its loss, and how it is trained. `given` is what the
// user wrote.
std::vector<std::string> JobWarnings(const v1::JobSpec& spec, const v1::JobSpec& given, const Graph& graph,
                                     const v1::Dataset& dataset);

}  // namespace traind::core
