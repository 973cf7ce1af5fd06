// A path into a message by field name, "network.layers[2].conv2d.kernel", and setting what it leads to: as
// client/field_path.h has it for people, with the same rules. Pure functions, thread-safe.
#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"

namespace traind::server {

// Sets the field or the element at `path`. An element of a list is named by its index, layers[2], or by its field
// `name`, layers[fc1]. `value` is in text format, where a string needs no quotes, an enum value no prefix, and a
// duration may be "90s"; empty clears the field or removes the element. Messages on the way are made, another member of
// a oneof gives way, and the index behind the last element appends one.
//
// INVALID_ARGUMENT: names the place in the path and what is known there, or what is wrong with the value; `message` is
// then as before. `in_path` (may be null) says which: true when the path leads nowhere.
absl::Status SetFieldAt(google::protobuf::Message& message, absl::string_view path, absl::string_view value,
                        bool* in_path = nullptr);

}  // namespace traind::server
