#include "client/cli/job_schema.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "client/enum_names.h"
#include "proto/commented.h"
#include "traind/v1/job.pb.h"

namespace traind::client {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::OneofDescriptor;
using Json = nlohmann::ordered_json;

// The comment begins with the word or has a sentence that does.
bool Says(absl::string_view comment, absl::string_view sentence) {
  return absl::StartsWith(comment, sentence) || absl::StrContains(comment, absl::StrCat(". ", sentence));
}

// The number that `text` begins with.
bool LeadingNumber(absl::string_view text, double& number) {
  absl::string_view digits = text.substr(0, text.find_first_not_of("-0123456789."));
  while (!digits.empty() && digits.back() == '.') digits.remove_suffix(1);  // The full stop.
  return absl::SimpleAtod(digits, &number);
}

// "Share of the image, in (0, 1]." is a range of the field, "k in [-max, max]" one of something else.
void AddRange(absl::string_view comment, Json& schema) {
  double low = 0, high = 0;
  if (const size_t at = comment.find(">= ");
      at != comment.npos && (at == 0 || Says(comment, ">= ") || absl::StrContains(comment, ", >= "))) {
    if (LeadingNumber(comment.substr(at + 3), low)) schema["minimum"] = low;
    return;
  }
  const size_t at = absl::StartsWith(comment, "in ")        ? 3
                    : comment.find(", in ") == comment.npos ? comment.npos
                                                            : comment.find(", in ") + 5;
  if (at == comment.npos || at >= comment.size() || (comment[at] != '(' && comment[at] != '[')) return;
  const absl::string_view range = comment.substr(at);
  const size_t comma = range.find(", "), close = range.find_first_of(")]");
  if (comma == range.npos || close == range.npos || close < comma) return;
  if (!absl::SimpleAtod(range.substr(1, comma - 1), &low)) return;
  if (!absl::SimpleAtod(range.substr(comma + 2, close - comma - 2), &high)) return;
  schema[range[0] == '(' ? "exclusiveMinimum" : "minimum"] = low;
  schema[range[close] == ')' ? "exclusiveMaximum" : "maximum"] = high;
}

// Of 64 bits: a text holds those that a number of JSON does not.
Json Whole(double low, double high, bool long_one) {
  Json number = {{"type", "integer"}, {"minimum", low}, {"maximum", high}};
  if (!long_one) return number;
  return {{"anyOf", {{{"type", "integer"}}, {{"type", "string"}, {"pattern", "^-?[0-9]+$"}}}}};
}

Json EnumSchema(const EnumDescriptor& type) {
  Json names = Json::array(), values = Json::array();
  std::set<std::string> seen;
  for (int i = 0; i < type.value_count(); ++i) {
    const std::string name = EnumName(*type.value(i));
    if (!seen.insert(name).second) continue;
    names.push_back(name);
    values.push_back(CommentOf(*type.value(i)));
  }
  for (int i = 0; i < type.value_count(); ++i) {
    if (!seen.insert(type.value(i)->name()).second) continue;
    names.push_back(type.value(i)->name());
    values.push_back("");
  }
  return {{"enum", names}, {"enumDescriptions", values}};
}

std::string Reference(const Descriptor& message) { return absl::StrCat("#/definitions/", message.full_name()); }

// Of one value.
Json ValueSchema(const FieldDescriptor& field) {
  using T = FieldDescriptor;
  constexpr auto kDuration = "^-?[0-9.]+(ns|us|ms|s|m|h)([0-9.]+(ns|us|ms|s|m|h))*$";
  switch (field.cpp_type()) {
    case T::CPPTYPE_INT32:
      return Whole(std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max(), false);
    case T::CPPTYPE_UINT32:
      return Whole(0, std::numeric_limits<uint32_t>::max(), false);
    case T::CPPTYPE_INT64:
    case T::CPPTYPE_UINT64:
      return Whole(0, 0, true);
    case T::CPPTYPE_DOUBLE:
    case T::CPPTYPE_FLOAT:
      return {{"anyOf", {{{"type", "number"}}, {{"enum", {"NaN", "Infinity", "-Infinity"}}}}}};
    case T::CPPTYPE_BOOL:
      return {{"type", "boolean"}};
    case T::CPPTYPE_STRING:
      return {{"type", "string"}};
    case T::CPPTYPE_ENUM:
      return EnumSchema(*field.enum_type());
    case T::CPPTYPE_MESSAGE:
      break;
  }
  const Descriptor& message = *field.message_type();
  if (message.full_name() == "google.protobuf.Any") {
    return {{"type", "object"}, {"required", {"@type"}}, {"properties", {{"@type", {{"type", "string"}}}}}};
  }
  if (message.full_name() == "google.protobuf.Duration") {
    return {
        {"anyOf",
         {{{"type", "string"}, {"pattern", kDuration}},
          {{"type", "object"}, {"properties", {{"seconds", Whole(0, 0, true)}, {"nanos", {{"type", "integer"}}}}}}}}};
  }
  return {{"$ref", Reference(message)}};
}

Json FieldSchema(const FieldDescriptor& field) {
  const std::string comment = CommentOf(field);
  Json value;
  if (field.is_map()) {
    value = {{"type", "object"}, {"additionalProperties", ValueSchema(*field.message_type()->map_value())}};
  } else {
    value = ValueSchema(field);
    if (field.message_type() == nullptr && field.enum_type() == nullptr) AddRange(comment, value);
    if (field.is_repeated()) value = {{"type", "array"}, {"items", std::move(value)}};
  }
  // What stands beside a $ref is not read in draft 7.
  if (value.contains("$ref") && !comment.empty()) value = {{"allOf", {std::move(value)}}};
  if (!comment.empty()) value["description"] = comment;
  return value;
}

// At most one of its fields.
Json OneofSchema(const OneofDescriptor& oneof) {
  Json choices = Json::array(), none = Json::array();
  for (int i = 0; i < oneof.field_count(); ++i) {
    const Json has = {{"required", {oneof.field(i)->name()}}};
    choices.push_back(has);
    none.push_back(has);
  }
  choices.push_back({{"not", {{"anyOf", none}}}});
  return {{"oneOf", choices}};
}

// The field that may stand in a required one's place: "every_epochs" of "Required, or every_epochs."; else empty.
std::string AlternativeTo(absl::string_view comment) {
  if (!absl::ConsumePrefix(&comment, "Required, or ")) return "";
  return std::string(comment.substr(0, comment.find_first_of(".,;: ")));
}

Json MessageSchema(const Descriptor& message) {
  Json properties = Json::object(), required = Json::array(), rules = Json::array();
  for (int i = 0; i < message.field_count(); ++i) {
    const FieldDescriptor& field = *message.field(i);
    properties[field.name()] = FieldSchema(field);
    const std::string comment = CommentOf(field);
    const bool alone = field.real_containing_oneof() == nullptr;
    if (const std::string other = AlternativeTo(comment); !other.empty()) {
      rules.push_back({{"anyOf", {{{"required", {field.name()}}}, {{"required", {other}}}}}});
    } else if (alone && (absl::StartsWith(comment, "Required.") || absl::StartsWith(comment, "Required:") ||
                         absl::StartsWith(comment, "Required,"))) {
      required.push_back(field.name());
    }
  }
  for (int i = 0; i < message.real_oneof_decl_count(); ++i) rules.push_back(OneofSchema(*message.oneof_decl(i)));
  Json schema = {{"type", "object"}};
  if (const std::string comment = CommentOf(message); !comment.empty()) schema["description"] = comment;
  schema["properties"] = std::move(properties);
  schema["additionalProperties"] = false;
  if (!required.empty()) schema["required"] = std::move(required);
  if (!rules.empty()) schema["allOf"] = std::move(rules);
  return schema;
}

// The messages that a job can hold, in the order in which they are met.
void Collect(const Descriptor& message, std::set<std::string>& seen, Json& definitions) {
  if (absl::StartsWith(message.full_name(), "google.protobuf.") || !seen.insert(message.full_name()).second) return;
  if (!message.options().map_entry()) definitions[message.full_name()] = MessageSchema(message);
  for (int i = 0; i < message.field_count(); ++i) {
    if (message.field(i)->message_type() != nullptr) Collect(*message.field(i)->message_type(), seen, definitions);
  }
}

}  // namespace

std::string JobSchema() {
  const Descriptor& job = *CommentedFiles().FindMessageTypeByName(v1::JobSpec::descriptor()->full_name());
  Json definitions = Json::object();
  std::set<std::string> seen;
  Collect(job, seen, definitions);
  const Json schema = {{"$schema", "http://json-schema.org/draft-07/schema#"},
                       {"title", "traind job file"},
                       {"$ref", Reference(job)},
                       {"definitions", std::move(definitions)}};
  return schema.dump(1) + "\n";
}

}  // namespace traind::client
