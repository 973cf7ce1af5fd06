// How large what is observed of a network may get: an observation comes as one event, and clients take messages of at
// most 4 MiB by default. Pure; thread-safe.
#pragma once

#include <cstdint>

#include "core/base/errors.h"
#include "traind/v1/checkpoint.pb.h"
#include "traind/v1/job.pb.h"

namespace traind::core {

// The most bytes that a StatisticsReport of the network takes on the wire, whatever its numbers are.
int64_t StatisticsBytes(const v1::NetworkDescription& network, int64_t batch, int64_t bins);

// A violation of `statistics`, the field of a resolved spec, when an observation of the job may not fit an event.
void CheckStatisticsSize(const v1::JobSpec& resolved, const v1::NetworkDescription& network,
                         const FieldErrors& statistics);

}  // namespace traind::core
