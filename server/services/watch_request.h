// What a WatchJobRequest may say. Pure; thread-safe.
#pragma once

#include "core/base/errors.h"
#include "traind/v1/network.pb.h"
#include "traind/v1/training_service.pb.h"

namespace traind::server {

// Whatever the job is. `errors` is the scope of the request.
void CheckWatchRequest(const v1::WatchJobRequest& request, const core::FieldErrors& errors);
// Of the job that has this network.
void CheckWatchedLayers(const v1::WatchJobRequest& request, const v1::Network& network,
                        const core::FieldErrors& errors);

}  // namespace traind::server
