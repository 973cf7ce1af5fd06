// Answers that clients can read without changing a setting. Pure functions.
#pragma once

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/message_lite.h"

namespace traind::server {

// What gRPC's clients take by default (GRPC_DEFAULT_MAX_RECV_MESSAGE_LENGTH).
inline constexpr size_t kMaxAnswerBytes = size_t{4} << 20;

// "3.5".
std::string Mebibytes(size_t bytes);

// RESOURCE_EXHAUSTED: the answer is larger than that; the message ends with `what_to_do`.
absl::Status CheckAnswerSize(const google::protobuf::MessageLite& answer, absl::string_view what_to_do);

}  // namespace traind::server
