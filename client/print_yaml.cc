#include <google/protobuf/any.pb.h>
#include <google/protobuf/duration.pb.h>
#include <google/protobuf/unknown_field_set.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/enum_names.h"
#include "client/parse_yaml.h"
#include "client/yaml_values.h"

namespace traind::client {
namespace {

using google::protobuf::Any;
using google::protobuf::Descriptor;
using google::protobuf::DescriptorPool;
using google::protobuf::Duration;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::MessageFactory;
using google::protobuf::Reflection;

// Whole numbers beyond it are not exact to every reader of JSON; a text is.
constexpr uint64_t kMostExact = uint64_t{1} << 53;

// As JSON has it, which is a part of YAML.
std::string InQuotes(absl::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      quoted.push_back('\\');
      quoted.push_back(c);
    } else if (byte < 0x20 || byte == 0x7F) {
      absl::StrAppendFormat(&quoted, "\\u%04x", byte);
    } else {
      quoted.push_back(c);
    }
  }
  return quoted + "\"";
}

// Shortest digits that are read as the same number; with a point before an exponent, without which YAML 1.1 sees a
// text.
template <class Number>
std::string Digits(Number value, YamlStyle style) {
  const bool yaml = style == YamlStyle::kYaml;
  if (std::isnan(value)) return yaml ? ".nan" : "\"NaN\"";
  if (std::isinf(value)) return absl::StrCat(yaml ? "" : "\"", value < 0 ? "-" : "", yaml ? ".inf" : "Infinity\"");
  char buffer[64];
  std::string text(buffer, std::to_chars(buffer, buffer + sizeof(buffer), value).ptr);
  const size_t exponent = text.find('e');
  if (exponent != text.npos && !absl::StrContains(text, '.')) text.insert(exponent, ".0");
  return text;
}

class Printer {
 public:
  explicit Printer(YamlStyle style) : style_(style) {}

  // A message as a block whose second and later lines are indented by `indent`; "{}" when nothing is set.
  std::string Block(const Message& message, int indent) {
    if (message.GetDescriptor() == Any::descriptor()) return OfAny(static_cast<const Any&>(message), indent);
    return Block(message, indent, "");
  }

  absl::Status status = absl::OkStatus();

 private:
  bool json() const { return style_ == YamlStyle::kJson; }

  std::string Block(const Message& message, int indent, absl::string_view type_url) {
    const Reflection& reflection = *message.GetReflection();
    if (!reflection.GetUnknownFields(message).empty()) {
      Lose(absl::StrCat(message.GetTypeName(), " has fields that this trainctl does not know"));
    }
    std::vector<const FieldDescriptor*> fields;
    reflection.ListFields(message, &fields);
    // In the order of the .proto file.
    std::sort(fields.begin(), fields.end(), [](const auto* a, const auto* b) { return a->index() < b->index(); });
    std::vector<std::string> entries;
    if (!type_url.empty()) entries.push_back(absl::StrCat("\"@type\": ", InQuotes(type_url)));
    for (const FieldDescriptor* field : fields) {
      entries.push_back(
          absl::StrCat(json() ? InQuotes(field->name()) : field->name(), ":", Value(message, *field, indent + 2)));
    }
    return Braced(entries, indent);
  }

  // Entries of a map. YAML: lines; the caller has put "\n" and the indentation before the first.
  std::string Braced(const std::vector<std::string>& entries, int indent) const {
    if (entries.empty()) return "{}";
    const std::string margin(static_cast<size_t>(indent), ' ');
    if (!json()) return absl::StrJoin(entries, "\n" + margin);
    return absl::StrCat("{\n", margin, "  ", absl::StrJoin(entries, ",\n  " + margin), "\n", margin, "}");
  }

  void Lose(absl::string_view what) {
    status.Update(absl::FailedPreconditionError(
        absl::StrCat(what, ": they would be lost; a newer trainctl prints them, and text format their numbers")));
  }

  // What follows "name:", with the blank or the line break before it.
  std::string Value(const Message& message, const FieldDescriptor& field, int indent) {
    if (field.is_map()) return OfMap(message, field, indent);
    if (field.is_repeated() && field.message_type() == nullptr) return absl::StrCat(" ", Scalars(message, field));
    if (field.is_repeated()) return OfMessages(message, field, indent);
    if (field.message_type() == nullptr) return absl::StrCat(" ", Scalar(message, field, -1));
    return OfMessage(message.GetReflection()->GetMessage(message, &field), indent);
  }

  std::string OfMessage(const Message& message, int indent) {
    if (message.GetDescriptor() == Duration::descriptor() && IsSound(static_cast<const Duration&>(message))) {
      return absl::StrCat(" ", OfDuration(static_cast<const Duration&>(message)));
    }
    if (json()) return absl::StrCat(" ", Block(message, indent));
    const std::string block = Block(message, indent);
    return block == "{}" ? " {}" : absl::StrCat("\n", std::string(static_cast<size_t>(indent), ' '), block);
  }

  std::string OfMessages(const Message& message, const FieldDescriptor& field, int indent) {
    const Reflection& reflection = *message.GetReflection();
    const std::string margin(static_cast<size_t>(indent), ' ');
    std::vector<std::string> blocks;
    for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
      const Message& element = reflection.GetRepeatedMessage(message, &field, i);
      blocks.push_back(json() ? absl::StrCat(margin, "  ", Block(element, indent + 2))
                              : absl::StrCat("\n", margin, "- ", Block(element, indent + 2)));
    }
    if (!json()) return absl::StrJoin(blocks, "");
    return absl::StrCat(" [\n", absl::StrJoin(blocks, ",\n"), "\n", margin, "]");
  }

  std::string OfMap(const Message& message, const FieldDescriptor& field, int indent) {
    const Reflection& reflection = *message.GetReflection();
    std::vector<std::string> entries;
    for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
      const Message& entry = reflection.GetRepeatedMessage(message, &field, i);
      entries.push_back(absl::StrCat(Scalar(entry, *field.message_type()->map_key(), -1), ": ",
                                     Scalar(entry, *field.message_type()->map_value(), -1)));
    }
    std::sort(entries.begin(), entries.end());
    if (json()) return absl::StrCat(" ", Braced(entries, indent));
    return absl::StrCat("\n", std::string(static_cast<size_t>(indent), ' '), Braced(entries, indent));
  }

  // Whether "1.5s" can say it; another is written field by field, for the server to refuse.
  static bool IsSound(const Duration& duration) {
    return std::abs(duration.nanos()) < 1'000'000'000 && std::abs(duration.seconds()) <= 315'576'000'000 &&
           (duration.seconds() == 0 || duration.nanos() == 0 || (duration.seconds() < 0) == (duration.nanos() < 0));
  }

  std::string OfDuration(const Duration& duration) const {
    const bool minus = duration.seconds() < 0 || duration.nanos() < 0;
    std::string text = absl::StrCat(minus ? "-" : "", std::abs(duration.seconds()));
    if (duration.nanos() != 0) {
      const std::string nanos = absl::StrFormat("%09d", std::abs(duration.nanos()));
      absl::StrAppend(&text, ".", nanos.substr(0, nanos.find_last_not_of('0') + 1));
    }
    return json() ? InQuotes(text + "s") : text + "s";
  }

  std::string OfAny(const Any& any, int indent) {
    const std::string name = any.type_url().substr(any.type_url().rfind('/') + 1);
    const Descriptor* descriptor = DescriptorPool::generated_pool()->FindMessageTypeByName(name);
    if (descriptor == nullptr) {
      Lose(absl::StrCat("this trainctl does not know the message ", any.type_url()));
      return "{}";
    }
    const std::unique_ptr<Message> part(MessageFactory::generated_factory()->GetPrototype(descriptor)->New());
    if (!part->ParseFromString(any.value())) Lose(absl::StrCat("the bytes of ", any.type_url(), " are damaged"));
    return Block(*part, indent, any.type_url());
  }

  std::string Scalars(const Message& message, const FieldDescriptor& field) const {
    std::vector<std::string> values;
    for (int i = 0; i < message.GetReflection()->FieldSize(message, &field); ++i) {
      values.push_back(Scalar(message, field, i));
    }
    return absl::StrCat("[", absl::StrJoin(values, ", "), "]");
  }

  // Of a repeated field the element `i`.
  std::string Scalar(const Message& message, const FieldDescriptor& field, int i) const {
    const Reflection& of = *message.GetReflection();
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32:
        return absl::StrCat(i < 0 ? of.GetInt32(message, &field) : of.GetRepeatedInt32(message, &field, i));
      case FieldDescriptor::CPPTYPE_UINT32:
        return absl::StrCat(i < 0 ? of.GetUInt32(message, &field) : of.GetRepeatedUInt32(message, &field, i));
      case FieldDescriptor::CPPTYPE_INT64: {
        const int64_t value = i < 0 ? of.GetInt64(message, &field) : of.GetRepeatedInt64(message, &field, i);
        return Long(absl::StrCat(value), static_cast<uint64_t>(value < 0 ? -(value + 1) : value));
      }
      case FieldDescriptor::CPPTYPE_UINT64: {
        const uint64_t value = i < 0 ? of.GetUInt64(message, &field) : of.GetRepeatedUInt64(message, &field, i);
        return Long(absl::StrCat(value), value);
      }
      case FieldDescriptor::CPPTYPE_DOUBLE:
        return Digits(i < 0 ? of.GetDouble(message, &field) : of.GetRepeatedDouble(message, &field, i), style_);
      case FieldDescriptor::CPPTYPE_FLOAT:
        return Digits(i < 0 ? of.GetFloat(message, &field) : of.GetRepeatedFloat(message, &field, i), style_);
      case FieldDescriptor::CPPTYPE_BOOL:
        return (i < 0 ? of.GetBool(message, &field) : of.GetRepeatedBool(message, &field, i)) ? "true" : "false";
      case FieldDescriptor::CPPTYPE_ENUM:
        return OfEnum(i < 0 ? of.GetEnumValue(message, &field) : of.GetRepeatedEnumValue(message, &field, i), field);
      case FieldDescriptor::CPPTYPE_STRING:
        return Text(i < 0 ? of.GetString(message, &field) : of.GetRepeatedString(message, &field, i));
      case FieldDescriptor::CPPTYPE_MESSAGE:
        break;
    }
    return "";
  }

  std::string Long(const std::string& digits, uint64_t magnitude) const {
    return json() && magnitude > kMostExact ? InQuotes(digits) : digits;
  }

  std::string OfEnum(int number, const FieldDescriptor& field) const {
    const EnumValueDescriptor* value = field.enum_type()->FindValueByNumber(number);
    return value == nullptr ? absl::StrCat(number) : Text(EnumName(*value));
  }

  // Without quotes where nobody can mistake it.
  std::string Text(const std::string& text) const {
    const auto is_word = [](char c) {
      return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-' || c == '.' || c == '/';
    };
    const bool bare = !json() && !text.empty() && (absl::ascii_isalpha(static_cast<unsigned char>(text[0]))) &&
                      std::all_of(text.begin(), text.end(), is_word) && !NeedsQuotes(text);
    return bare ? text : InQuotes(text);
  }

  const YamlStyle style_;
};

}  // namespace

absl::StatusOr<std::string> PrintYaml(const Message& message, YamlStyle style) {
  Printer printer(style);
  std::string text = printer.Block(message, 0);
  if (!printer.status.ok()) return printer.status;
  return text + "\n";
}

}  // namespace traind::client
