// Messages in the JSON form of protobuf, also as older versions wrote them. Pure functions.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "google/protobuf/message.h"

namespace traind::core {

// Reads `json` into `message`, which is cleared first. Enum values may stand without their enum's name, "F32" for
// "PRECISION_F32", as versions before 0.3 wrote them. INVALID_ARGUMENT says what is wrong.
absl::Status ParseJson(const std::string& json, google::protobuf::Message& message);

}  // namespace traind::core
