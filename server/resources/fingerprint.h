// Short names for bytes and messages, the same in every process and on every machine: to see whether two are equal.
// Against accidents, not attacks. Pure functions.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "google/protobuf/message_lite.h"

namespace traind::server {

// Sixteen hex digits.
std::string Fingerprint(absl::string_view bytes);

// The message's bytes; equal messages have equal ones, also with maps, whose order protobuf leaves open.
std::string StableBytes(const google::protobuf::MessageLite& message);

}  // namespace traind::server
