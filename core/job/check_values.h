// Checks that hold for every message of a configuration, whatever its fields mean. Thread-safe over different messages.
#pragma once

#include "core/base/errors.h"
#include "google/protobuf/message.h"

namespace traind::core {

// Reports, at any depth, floating-point fields that are NaN or infinite and enum fields whose number this build does
// not know (proto3 keeps them), and clears them, so that later checks report nothing twice.
void CheckValues(google::protobuf::Message& message, const FieldErrors& errors);

}  // namespace traind::core
