// How often a job reports where its spec does not say it. Pure; thread-safe.
#pragma once

#include <cstdint>

#include "core/graph/graph.h"
#include "traind/v1/job.pb.h"

namespace traind::core {

// The seconds that a training step may take, from its arithmetic, the memory that it moves, and its layers. An
// estimate, within a factor of about three on one of today's CPUs: the same network gives the same number everywhere.
double EstimateStepSeconds(const Graph& graph, int64_t batch, int64_t threads);

// Sets the absent cadences of a spec whose batch size and threads are resolved: statistics about once a second and at
// least 20 times in the job, metrics about four times a second and at least 100 times, each in round numbers of at
// least 10 steps, with which observing costs a large network little.
void ResolveCadence(const Graph& graph, uint64_t total_steps, v1::JobSpec& spec);

}  // namespace traind::core
