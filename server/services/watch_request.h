// What a WatchJobRequest may say. Pure; thread-safe.
#pragma once

#include <string>

#include "core/base/errors.h"
#include "google/protobuf/repeated_field.h"
#include "traind/v1/network.pb.h"
#include "traind/v1/training_service.pb.h"

namespace traind::server {

// Whatever the job is. `errors` is the scope of the request.
void CheckWatchRequest(const v1::WatchJobRequest& request, const core::FieldErrors& errors);
// The field `layers` of a request about `job`, which has this network.
void CheckLayersOf(const std::string& job, const google::protobuf::RepeatedPtrField<std::string>& layers,
                   const v1::Network& network, const core::FieldErrors& errors);

}  // namespace traind::server
