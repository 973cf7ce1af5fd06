// Enum values as people write and read them: F32 for PRECISION_F32. Pure functions.
#pragma once

#include <string>
#include <string_view>

#include "google/protobuf/descriptor.h"
#include "google/protobuf/generated_enum_reflection.h"

namespace traind::core {

// "PRECISION_" of an enum whose value 0 is PRECISION_UNSPECIFIED; empty where there is no such value.
inline std::string_view EnumPrefix(const google::protobuf::EnumDescriptor& type) {
  constexpr std::string_view kZero = "UNSPECIFIED";
  const auto* zero = type.FindValueByNumber(0);
  if (zero == nullptr) return "";
  const std::string_view name = zero->name();
  const bool ends = name.size() > kZero.size() && name.substr(name.size() - kZero.size()) == kZero;
  return ends ? name.substr(0, name.size() - kZero.size()) : "";
}

// The name without its enum's prefix.
inline std::string EnumName(const google::protobuf::EnumValueDescriptor& value) {
  const std::string_view prefix = EnumPrefix(*value.type());
  return value.name().substr(value.name().rfind(prefix, 0) == 0 ? prefix.size() : 0);
}

// The number, for a value that this build does not know.
template <class Enum>
std::string EnumName(Enum value) {
  const auto* known = google::protobuf::GetEnumDescriptor<Enum>()->FindValueByNumber(value);
  return known == nullptr ? std::to_string(value) : EnumName(*known);
}

}  // namespace traind::core
