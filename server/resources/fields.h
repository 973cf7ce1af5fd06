// The fields of a collection by which its items can be found and ordered, and their values by protobuf's reflection:
// whatever the message, nothing is said twice. Immutable and thread-safe.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "google/protobuf/message.h"

namespace traind::server {

// What stands in a field, for comparisons: whole numbers, truth values, enums, times and durations (seconds and
// nanoseconds), other numbers, or text. What is absent, or NaN, comes before everything.
using Value = std::variant<std::monostate, std::pair<int64_t, int32_t>, double, std::string>;

// The messages that make up one item, each of another type: mostly one.
using Parts = absl::Span<const google::protobuf::Message* const>;

class Fields {
 public:
  // Some fields of one type of message.
  struct Of {
    const google::protobuf::Descriptor* message;
    std::vector<std::string> names;
  };
  // Singular fields of a scalar, an enum, google.protobuf.Timestamp or Duration, and maps from string to string. Names
  // differ, whichever message they belong to.
  Fields(std::initializer_list<Of> messages);

  // Null when it is none of them.
  const google::protobuf::FieldDescriptor* Find(absl::string_view name) const;
  const std::vector<std::string>& names() const { return names_; }
  // Those that have an order: neither maps nor enums.
  std::vector<std::string> ordered_names() const;

 private:
  std::vector<std::string> names_;
  std::vector<const google::protobuf::FieldDescriptor*> fields_;
};

bool IsTime(const google::protobuf::FieldDescriptor& field);
bool IsDuration(const google::protobuf::FieldDescriptor& field);
bool HasOrder(const google::protobuf::FieldDescriptor& field);

// The value of a field that is no map, in whichever part has it.
Value ValueOf(const google::protobuf::FieldDescriptor& field, Parts item);
// The value of a key in a field that is a map; absent without the key.
Value ValueOf(const google::protobuf::FieldDescriptor& map, absl::string_view key, Parts item);

}  // namespace traind::server
