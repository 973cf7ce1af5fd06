// What a job's plans are made with, and the memory that it is admitted with. Pure; thread-safe.
#pragma once

#include <cstdint>

#include "absl/types/span.h"
#include "core/graph/graph.h"
#include "core/job/resolve_data.h"
#include "core/plan/memory_bound.h"
#include "traind/v1/checkpoint.pb.h"
#include "traind/v1/dataset.pb.h"
#include "traind/v1/job.pb.h"

namespace traind::core {

// For batch, precision, seed, algorithms and statistics of a resolved spec; not training, and without a loss.
PlanOptions PlanOptionsFor(const v1::JobSpec& spec, absl::Span<const v1::LayerAlgorithm> algorithms);

// What its plans take. `optimizer_slots` are the optimizer's state tensors; `examples` those of the training split;
// `looks` at each example in evaluation.
MemoryOptions MemoryOptionsFor(const v1::JobSpec& spec, absl::Span<const v1::LayerAlgorithm> algorithms,
                               int optimizer_slots, int64_t examples, int64_t looks);

// Bytes beside the plans: minibatches on their way, what fitting the preprocessing, initializing with data and the
// data's profile for insight take.
int64_t DataMemory(const v1::JobSpec& spec, const v1::Dataset& dataset, const ResolvedData& data, const Graph& graph);

}  // namespace traind::core
