// What a scalar of a YAML or JSON file is, where the field that it stands in says what it has to be. Nothing is
// guessed: what readers of YAML disagree about is refused, with how to write it. Pure functions.
#pragma once

#include <google/protobuf/message.h>

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/yaml_tree.h"

namespace traind::client {

// Whether a reader of YAML 1.1 or 1.2 takes the plain text for something else than a string: a number, a date, a
// boolean.
bool NeedsQuotes(absl::string_view plain);

// Sets the scalar field, or adds to the repeated one. INVALID_ARGUMENT: one clause, what must stand there.
absl::Status SetScalar(const YamlNode& node, const google::protobuf::FieldDescriptor& field,
                       google::protobuf::Message& message);

}  // namespace traind::client
