#include "server/resources/resource_of.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace traind::server {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr size_t kLongestName = 200;

std::string TextIn(const Message& message, const FieldDescriptor* field) {
  const bool text = field != nullptr && field->cpp_type() == FieldDescriptor::CPPTYPE_STRING && !field->is_repeated();
  return text ? message.GetReflection()->GetString(message, field).substr(0, kLongestName) : "";
}

// "job_id: a" as "jobs/a".
std::string NewName(const Message& message) {
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor* field = message.GetDescriptor()->field(i);
    absl::string_view kind = field->name();
    if (!absl::ConsumeSuffix(&kind, "_id") || kind == "request") continue;
    if (const std::string id = TextIn(message, field); !id.empty()) return absl::StrCat(kind, "s/", id);
  }
  return "";
}

}  // namespace

std::string ResourceOf(const Message& message) {
  const auto* descriptor = message.GetDescriptor();
  for (const char* name : {"name", "parent", "operation"}) {
    if (std::string text = TextIn(message, descriptor->FindFieldByName(name)); !text.empty()) return text;
  }
  if (std::string name = NewName(message); !name.empty()) return name;
  for (const char* part : {"model", "job", "dataset", "sweep", "header"}) {
    const FieldDescriptor* field = descriptor->FindFieldByName(part);
    if (field == nullptr) continue;
    if (std::string text = TextIn(message, field); !text.empty()) return text;
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE || field->is_repeated()) continue;
    if (!message.GetReflection()->HasField(message, field)) continue;
    if (std::string inner = ResourceOf(message.GetReflection()->GetMessage(message, field)); !inner.empty())
      return inner;
  }
  return "";
}

}  // namespace traind::server
