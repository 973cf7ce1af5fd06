// Protobuf text format in which enum values need not have their enum's name (F32, or PRECISION_F32), with errors that
// help: an unknown field or enum value gets the known ones. Pure functions.
#pragma once

#include <google/protobuf/text_format.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace traind::client {

struct TextError {
  std::string message;  // One clause, no full stop.
  // Where; line and column count from 0, tabs end at multiples of 8. An unknown word stands at or before the place.
  google::protobuf::TextFormat::ParseLocation at;
  std::string unknown_word;  // An unknown field or enum value; empty: another error.
  // The message that has no field of the unknown word; null: another error.
  const google::protobuf::Descriptor* owner = nullptr;
};

// Reads `text` into `message`, which is cleared first; the first error, if there is one. `locations`, if not null,
// gets the place of each field, by those of WithShortNames (enum_names.h). Messages nest at most 100 deep, as in
// protobuf's binary format.
std::optional<TextError> ParseText(absl::string_view text, google::protobuf::Message& message,
                                   google::protobuf::TextFormat::ParseInfoTree* locations = nullptr);

// The message in text format, with the short names of enum values.
std::string PrintText(const google::protobuf::Message& message);

// The names of the fields, in the order of the .proto file.
std::vector<std::string> FieldNames(const google::protobuf::Descriptor& descriptor);

}  // namespace traind::client
