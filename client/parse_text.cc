#include "client/parse_text.h"

#include <google/protobuf/io/tokenizer.h>

#include <memory>
#include <set>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "client/enum_names.h"
#include "client/suggest.h"
#include "client/utf8.h"

namespace traind::client {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::DescriptorPool;
using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::TextFormat;

// The limit of CodedInputStream, which the server's parser has.
constexpr int kMaxDepth = 100;

class FirstError : public google::protobuf::io::ErrorCollector {
 public:
  void AddError(int line, google::protobuf::io::ColumnNumber column, const std::string& text) override {
    if (!error) error = {.message = text, .at = TextFormat::ParseLocation(line, column), .unknown_word = ""};
  }
  std::optional<TextError> error;
};

// The text in the n-th pair of quotation marks, counted from 0.
std::string Quoted(const std::string& text, size_t n) {
  const std::vector<std::string> parts = absl::StrSplit(text, '"');
  return 2 * n + 1 < parts.size() ? parts[2 * n + 1] : "";
}

// The enums of fields with this name in `descriptor` and the messages below it.
void FindEnums(const Descriptor& descriptor, const std::string& field_name, std::set<const Descriptor*>& seen,
               std::set<const EnumDescriptor*>& found) {
  if (!seen.insert(&descriptor).second) return;
  for (int i = 0; i < descriptor.field_count(); ++i) {
    const FieldDescriptor& field = *descriptor.field(i);
    if (field.message_type() != nullptr) FindEnums(*field.message_type(), field_name, seen, found);
    if (field.enum_type() != nullptr && field.name() == field_name) found.insert(field.enum_type());
  }
}

std::vector<std::string> EnumValues(const Descriptor& root, const std::string& field_name) {
  std::set<const Descriptor*> seen;
  std::set<const EnumDescriptor*> enums;
  FindEnums(root, field_name, seen, enums);
  std::vector<std::string> values;
  for (const EnumDescriptor* found : enums) {
    for (int i = 0; i < found->value_count(); ++i) {
      const auto* value = found->value(i);
      // 0 is UNSPECIFIED, which nobody needs to write; the first name of a number is the short one.
      if (value->number() != 0 && found->FindValueByNumber(value->number()) == value) values.push_back(value->name());
    }
  }
  return values;
}

// Adds what is known in place of an unknown word. The parser's messages are the only trace of that word.
void Advise(const Descriptor& root, TextError& error) {
  std::string advice;
  if (absl::StrContains(error.message, "has no field named")) {
    error.unknown_word = Quoted(error.message, 1);
    error.owner = DescriptorPool::generated_pool()->FindMessageTypeByName(Quoted(error.message, 0));
    if (error.owner != nullptr) advice = Known("fields", error.unknown_word, FieldNames(*error.owner));
  } else if (absl::StartsWith(error.message, "Unknown enumeration value of")) {
    error.unknown_word = Quoted(error.message, 0);
    const std::vector<std::string> values = EnumValues(root, Quoted(error.message, 1));
    if (!values.empty()) advice = Known("values", error.unknown_word, values);
  }
  error.message = std::string(absl::StripSuffix(error.message, "."));
  if (!advice.empty()) absl::StrAppend(&error.message, "; ", advice);
}

// Where a byte stands, as the tokenizer counts: a tab goes to the next multiple of 8.
TextFormat::ParseLocation PlaceIn(absl::string_view text, size_t byte) {
  TextFormat::ParseLocation at(0, 0);
  for (const char c : text.substr(0, byte)) {
    if (c == '\n') {
      ++at.line;
      at.column = 0;
    } else {
      at.column += c == '\t' ? 8 - at.column % 8 : 1;
    }
  }
  return at;
}

// The first string that is no text: escapes can write any bytes ("\377").
std::optional<TextError> BadString(const google::protobuf::Message& message, TextFormat::ParseInfoTree& places) {
  const auto& reflection = *message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    const int count = field->is_repeated() ? reflection.FieldSize(message, field) : 1;
    for (int i = 0; i < count; ++i) {
      const int index = field->is_repeated() ? i : -1;
      if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
        const auto& inner =
            index < 0 ? reflection.GetMessage(message, field) : reflection.GetRepeatedMessage(message, field, index);
        TextFormat::ParseInfoTree* tree = places.GetTreeForNested(field, index);
        auto error = tree != nullptr ? BadString(inner, *tree) : std::nullopt;
        if (error) return error;
      } else if (field->type() == FieldDescriptor::TYPE_STRING) {
        const std::string text =
            index < 0 ? reflection.GetString(message, field) : reflection.GetRepeatedString(message, field, index);
        if (FirstNonUtf8(text) == text.npos) continue;
        return TextError{.message = absl::StrCat(field->name(), " is no UTF-8 text: \"", absl::CHexEscape(text), "\""),
                         .at = places.GetLocation(field, index),
                         .unknown_word = ""};
      }
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<TextError> ParseText(absl::string_view text, google::protobuf::Message& message,
                                   TextFormat::ParseInfoTree* locations) {
  if (const size_t bad = FirstNonUtf8(text); bad != text.npos) {
    return TextError{.message = "this byte is no UTF-8 text", .at = PlaceIn(text, bad), .unknown_word = ""};
  }
  FirstError first;
  TextFormat::ParseInfoTree own;
  TextFormat::ParseInfoTree& places = locations != nullptr ? *locations : own;
  TextFormat::Parser parser;
  parser.RecordErrorsTo(&first);
  parser.WriteLocationsTo(&places);
  parser.SetRecursionLimit(kMaxDepth);
  const Descriptor& descriptor = WithShortNames(*message.GetDescriptor());
  const std::unique_ptr<google::protobuf::Message> parsed = NewMessage(descriptor);
  if (parser.ParseFromString(std::string(text), parsed.get())) {
    if (auto error = BadString(*parsed, places)) return error;
    if (message.ParseFromString(parsed->SerializeAsString())) return std::nullopt;
    return TextError{.message = "This cannot be a message", .at = {}, .unknown_word = ""};
  }
  TextError error = first.error.value_or(TextError{.message = "This is no text format", .at = {}, .unknown_word = ""});
  Advise(descriptor, error);
  return error;
}

std::string PrintText(const google::protobuf::Message& message) {
  const std::unique_ptr<google::protobuf::Message> printed = NewMessage(WithShortNames(*message.GetDescriptor()));
  printed->ParseFromString(message.SerializeAsString());
  std::string text;
  TextFormat::PrintToString(*printed, &text);
  return text;
}

std::vector<std::string> FieldNames(const Descriptor& descriptor) {
  std::vector<std::string> names;
  for (int i = 0; i < descriptor.field_count(); ++i) names.push_back(descriptor.field(i)->name());
  return names;
}

}  // namespace traind::client
