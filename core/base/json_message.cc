#include "core/base/json_message.h"

#include <nlohmann/json.hpp>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "core/base/enum_name.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/util/json_util.h"

namespace traind::core {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using Json = nlohmann::json;

absl::Status ParsePlain(const std::string& json, google::protobuf::Message& message) {
  message.Clear();
  const auto parsed = google::protobuf::util::JsonStringToMessage(json, &message);
  return parsed.ok() ? absl::OkStatus() : absl::InvalidArgumentError(parsed.ToString());
}

void CompleteFields(const Descriptor& descriptor, Json& json);

// A single value, or the list of them.
void CompleteValue(const FieldDescriptor& field, Json& json) {
  if (json.is_array()) {
    for (Json& element : json) CompleteValue(field, element);
  } else if (field.message_type() != nullptr) {
    CompleteFields(*field.message_type(), json);
  } else if (field.enum_type() != nullptr && json.is_string()) {
    const std::string name = json.get<std::string>();
    const std::string full = absl::StrCat(std::string(EnumPrefix(*field.enum_type())), name);
    const bool is_short = field.enum_type()->FindValueByName(name) == nullptr;
    if (is_short && field.enum_type()->FindValueByName(full) != nullptr) json = full;
  }
}

// Completes the names of enum values in the message and what it holds; JSON of another form stays as it is.
void CompleteFields(const Descriptor& descriptor, Json& json) {
  if (!json.is_object()) return;
  for (auto& [key, value] : json.items()) {
    const FieldDescriptor* field = descriptor.FindFieldByName(key);
    if (field == nullptr) field = descriptor.FindFieldByCamelcaseName(key);
    if (field == nullptr) continue;
    if (field->is_map() && value.is_object()) {
      for (Json& element : value) CompleteValue(*field->message_type()->map_value(), element);
    } else {
      CompleteValue(*field, value);
    }
  }
}

}  // namespace

absl::Status ParseJson(const std::string& json, google::protobuf::Message& message) {
  const absl::Status plain = ParsePlain(json, message);
  if (plain.ok()) return plain;
  Json tree = Json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (tree.is_discarded()) return plain;
  CompleteFields(*message.GetDescriptor(), tree);
  return ParsePlain(tree.dump(), message).ok() ? absl::OkStatus() : plain;
}

}  // namespace traind::core
