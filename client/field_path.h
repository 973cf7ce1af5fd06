// A path into a message by field name, "network.layers[2].conv2d.kernel", and setting what it leads to. Pure functions.
#pragma once

#include <google/protobuf/message.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace traind::client {

// A field and, in a list, one element.
struct FieldStep {
  std::string field;
  std::optional<int> index;         // layers[2]
  std::optional<std::string> name;  // layers[conv1], or layers["2"]: the element whose field `name` is this.
};

// At most 1024 bytes. INVALID_ARGUMENT says at which character the path is wrong; no message is asked for its fields.
absl::StatusOr<std::vector<FieldStep>> ParseFieldPath(absl::string_view path);

// Sets the field or the element at `path` and returns the path with the elements' indices: "network.layers[0].dense".
//
// `value` is in text format, where a string needs no quotes and a duration may be "90s" or "1h30m"; empty clears the
// field or removes the element. Messages on the way are made, another member of a oneof gives way, and the index
// behind the last element appends one.
//
// INVALID_ARGUMENT: names the place in the path, and what is known there; `message` is as before.
absl::StatusOr<std::string> SetField(google::protobuf::Message& message, absl::string_view path,
                                     absl::string_view value);

}  // namespace traind::client
