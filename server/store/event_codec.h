// Events as the store keeps them: the bytes of a v1::Event, and of a report the same bytes compressed, with a checksum
// (checked_bytes.h). A message never begins with a byte 0, which tells them apart. Pure; thread-safe.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "traind/v1/event.pb.h"

namespace traind::server {

std::string EncodeEvent(const v1::Event& event);

// False: the payload is damaged.
bool DecodeEvent(absl::string_view payload, v1::Event* event);

}  // namespace traind::server
