// Checks of what a job does with its weights besides training them. Pure, as core/job/resolve.h.
#pragma once

#include <cstdint>

#include "core/base/errors.h"
#include "core/graph/graph.h"
#include "core/plan/memory_bound.h"
#include "traind/v1/checkpoint.pb.h"
#include "traind/v1/initialization.pb.h"
#include "traind/v1/job.pb.h"

namespace traind::core {

// `most_minibatches` is how many there are; 0 when it is not known. `errors` is the scope of the message.
void ResolveDataInitialization(v1::DataInitialization& config, uint64_t most_minibatches, const FieldErrors& errors);
// Whether it asks for gradients, which only a trainable network has; `config` is resolved, or empty.
bool NeedsGradients(const v1::DataInitialization& config);
// What it asks of the network, once that is known to be right; `config` is resolved.
void CheckDataInitialization(const v1::DataInitialization& config, const Graph& graph, const FieldErrors& errors);
// What it needs of plans; `config` is resolved.
MemoryOptions::Initialization InitializationOf(const v1::DataInitialization& config);

// Where the job's lottery_ticket is set. `steps_per_epoch` is 0 when it is not known; `errors` is the scope of the
// spec, whose duration is resolved.
void ResolveLotteryTicket(v1::JobSpec& spec, uint64_t steps_per_epoch, const FieldErrors& errors);

// Steps of a whole job are fewer than this.
inline constexpr uint64_t kMaxSteps = uint64_t{1} << 40;

}  // namespace traind::core
