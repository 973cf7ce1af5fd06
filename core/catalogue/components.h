// What a job can be made of: the registries, walked for ListComponents, with the comments of the .proto files as help.
// Pure; thread-safe.
#pragma once

#include "traind/v1/training_service.pb.h"

namespace traind::core {

// Every registered component, category by category in the order of Component.category's comment, each in the order of
// its oneof; then every other message that a job file can hold, from JobSpec down.
v1::ListComponentsResponse ListComponents();

}  // namespace traind::core
