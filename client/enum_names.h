// Enum values as people write and read them: F32 for PRECISION_F32. Pure functions.
#pragma once

#include <google/protobuf/generated_enum_reflection.h>
#include <google/protobuf/message.h>

#include <memory>
#include <string>

#include "absl/strings/string_view.h"

namespace traind::client {

// The name without its enum's prefix, which is that of the value 0, PRECISION_UNSPECIFIED.
std::string EnumName(const google::protobuf::EnumValueDescriptor& value);

// The number, for a value that this build does not know.
template <class Enum>
std::string EnumName(Enum value) {
  const auto* known = google::protobuf::GetEnumDescriptor<Enum>()->FindValueByNumber(value);
  return known == nullptr ? std::to_string(value) : EnumName(*known);
}

// The value with this name, short or full; null when there is none.
const google::protobuf::EnumValueDescriptor* FindEnumValue(const google::protobuf::EnumDescriptor& type,
                                                           absl::string_view name);

// The same message in a pool of its own, where each enum value has two names: first the short one, with which it is
// printed, then the full one. Lives as long as the process.
const google::protobuf::Descriptor& WithShortNames(const google::protobuf::Descriptor& message);

// An empty message of a descriptor that WithShortNames gave.
std::unique_ptr<google::protobuf::Message> NewMessage(const google::protobuf::Descriptor& with_short_names);

}  // namespace traind::client
