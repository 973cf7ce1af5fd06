#include "server/resources/fields.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "google/protobuf/descriptor.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/timestamp.pb.h"

namespace traind::server {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using Cpp = FieldDescriptor::CppType;

Value Whole(int64_t number) { return std::make_pair(number, int32_t{0}); }

Value Whole(uint64_t number) {
  return Whole(static_cast<int64_t>(std::min<uint64_t>(number, std::numeric_limits<int64_t>::max())));
}

Value Real(double number) { return std::isnan(number) ? Value() : Value(number); }

// Timestamp and Duration have the same two fields.
Value SecondsAndNanos(const Message& message) {
  const auto& type = *message.GetDescriptor();
  const auto& reflection = *message.GetReflection();
  return std::make_pair(reflection.GetInt64(message, type.FindFieldByName("seconds")),
                        reflection.GetInt32(message, type.FindFieldByName("nanos")));
}

const Message* PartWith(const FieldDescriptor& field, Parts item) {
  const auto found = std::find_if(
      item.begin(), item.end(), [&](const Message* part) { return part->GetDescriptor() == field.containing_type(); });
  return found == item.end() ? nullptr : *found;
}

}  // namespace

Fields::Fields(std::initializer_list<Of> messages) {
  for (const Of& of : messages) {
    for (const std::string& name : of.names) {
      names_.push_back(name);
      fields_.push_back(of.message->FindFieldByName(name));
    }
  }
}

const FieldDescriptor* Fields::Find(absl::string_view name) const {
  const auto found = std::find(names_.begin(), names_.end(), name);
  return found == names_.end() ? nullptr : fields_[found - names_.begin()];
}

std::vector<std::string> Fields::ordered_names() const {
  std::vector<std::string> names;
  for (size_t i = 0; i < names_.size(); ++i) {
    if (HasOrder(*fields_[i])) names.push_back(names_[i]);
  }
  return names;
}

bool IsTime(const FieldDescriptor& field) { return field.message_type() == google::protobuf::Timestamp::descriptor(); }
bool IsDuration(const FieldDescriptor& field) {
  return field.message_type() == google::protobuf::Duration::descriptor();
}
bool HasOrder(const FieldDescriptor& field) {
  return !field.is_map() && field.cpp_type() != FieldDescriptor::CPPTYPE_ENUM;
}

Value ValueOf(const FieldDescriptor& field, Parts item) {
  const Message* part = PartWith(field, item);
  if (part == nullptr) return {};
  const auto& reflection = *part->GetReflection();
  if (field.has_presence() && !reflection.HasField(*part, &field)) return {};
  switch (field.cpp_type()) {
    case Cpp::CPPTYPE_INT32:
      return Whole(int64_t{reflection.GetInt32(*part, &field)});
    case Cpp::CPPTYPE_INT64:
      return Whole(int64_t{reflection.GetInt64(*part, &field)});
    case Cpp::CPPTYPE_UINT32:
      return Whole(int64_t{reflection.GetUInt32(*part, &field)});
    case Cpp::CPPTYPE_UINT64:
      return Whole(uint64_t{reflection.GetUInt64(*part, &field)});
    case Cpp::CPPTYPE_BOOL:
      return Whole(int64_t{reflection.GetBool(*part, &field)});
    case Cpp::CPPTYPE_ENUM:
      return Whole(int64_t{reflection.GetEnumValue(*part, &field)});
    case Cpp::CPPTYPE_FLOAT:
      return Real(reflection.GetFloat(*part, &field));
    case Cpp::CPPTYPE_DOUBLE:
      return Real(reflection.GetDouble(*part, &field));
    case Cpp::CPPTYPE_STRING:
      return reflection.GetString(*part, &field);
    case Cpp::CPPTYPE_MESSAGE:
      return SecondsAndNanos(reflection.GetMessage(*part, &field));
  }
  return {};
}

Value ValueOf(const FieldDescriptor& map, absl::string_view key, Parts item) {
  const Message* part = PartWith(map, item);
  if (part == nullptr) return {};
  const auto& reflection = *part->GetReflection();
  const auto* entry = map.message_type();
  for (int i = 0; i < reflection.FieldSize(*part, &map); ++i) {
    const Message& pair = reflection.GetRepeatedMessage(*part, &map, i);
    if (pair.GetReflection()->GetString(pair, entry->map_key()) != key) continue;
    return pair.GetReflection()->GetString(pair, entry->map_value());
  }
  return {};
}

}  // namespace traind::server
