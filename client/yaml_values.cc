#include "client/yaml_values.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "client/enum_names.h"
#include "client/suggest.h"

namespace traind::client {
namespace {

using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

template <class... Parts>
absl::Status Wrong(const Parts&... parts) {
  return absl::InvalidArgumentError(absl::StrCat(parts...));
}

bool IsDigit(char c) { return absl::ascii_isdigit(static_cast<unsigned char>(c)); }

// Removes characters of `of` from the front of `text` and returns how many.
size_t Consume(absl::string_view& text, absl::string_view of) {
  const size_t size = std::min(text.find_first_not_of(of), text.size());
  text.remove_prefix(size);
  return size;
}

// [+-] digits [. digits] [e [+-] digits], as JSON writes a number and a bit more.
bool IsDecimal(absl::string_view text, absl::string_view digits = "0123456789") {
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
  size_t seen = Consume(text, digits);
  if (absl::ConsumePrefix(&text, ".")) seen += Consume(text, digits);
  if (seen == 0) return false;
  if (text.empty()) return true;
  if (text[0] != 'e' && text[0] != 'E') return false;
  text.remove_prefix(1);
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
  return Consume(text, "0123456789") > 0 && text.empty();
}

// 2026-11-27, with or without a time.
bool IsDate(absl::string_view text) {
  if (Consume(text, "0123456789") != 4 || !absl::ConsumePrefix(&text, "-")) return false;
  if (Consume(text, "0123456789") == 0 || !absl::ConsumePrefix(&text, "-")) return false;
  return Consume(text, "0123456789") > 0 && (text.empty() || text[0] == 'T' || text[0] == 't' || text[0] == ' ');
}

// 0x10, 0o17, 0b11.
bool IsPrefixed(absl::string_view text) {
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
  if (text.size() < 3 || text[0] != '0') return false;
  const char base = absl::ascii_tolower(static_cast<unsigned char>(text[1]));
  return (base == 'x' || base == 'o' || base == 'b') &&
         text.find_first_not_of("0123456789abcdefABCDEF_", 2) == text.npos;
}

// Special values of a double: YAML's and those of protobuf's JSON.
std::optional<double> SpecialNumber(absl::string_view text) {
  const std::string lower = absl::AsciiStrToLower(text);
  if (lower == ".nan" || text == "NaN") return std::numeric_limits<double>::quiet_NaN();
  if (lower == ".inf" || lower == "+.inf" || text == "Infinity") return std::numeric_limits<double>::infinity();
  if (lower == "-.inf" || text == "-Infinity") return -std::numeric_limits<double>::infinity();
  return std::nullopt;
}

// 010 is 8 to some readers of YAML and 10 to others.
bool HasLeadingZero(absl::string_view text) {
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
  return text.size() > 1 && text[0] == '0' && IsDigit(text[1]);
}

absl::StatusOr<double> Double(absl::string_view text) {
  if (const auto special = SpecialNumber(text)) return *special;
  if (!IsDecimal(text)) {
    return Wrong("\"", text, "\" is no number; numbers are written as 0.1, 1e-3, .inf, -.inf or .nan");
  }
  if (HasLeadingZero(text)) return Wrong("a number must not begin with 0: ", text, " is read in two ways");
  double value = 0;
  if (!absl::SimpleAtod(absl::StripPrefix(text, "+"), &value) || std::isinf(value)) {
    return Wrong(text, " is too large for a number");
  }
  return value;
}

template <class Integer>
absl::StatusOr<Integer> Whole(absl::string_view text) {
  const auto range = [&] {
    return Wrong(text, " is out of range: ", std::numeric_limits<Integer>::min(), " to ",
                 std::numeric_limits<Integer>::max());
  };
  if (HasLeadingZero(text)) return Wrong("a number must not begin with 0: ", text, " is read in two ways");
  absl::string_view digits = text;
  const bool minus = absl::ConsumePrefix(&digits, "-");
  if (!minus) absl::ConsumePrefix(&digits, "+");
  Integer value = 0;
  if (!digits.empty() && digits.find_first_not_of("0123456789") == digits.npos) {
    return absl::SimpleAtoi(absl::StrCat(minus ? "-" : "", digits), &value) ? absl::StatusOr<Integer>(value) : range();
  }
  if (absl::StartsWith(digits, "0x") && IsPrefixed(digits) && !absl::StrContains(digits, '_')) {
    if (minus || !absl::SimpleHexAtoi(digits, &value)) return range();
    return value;
  }
  // 1e3 and 2.0 are whole numbers, too, as far as a double has them all.
  if (IsDecimal(text)) {
    const absl::StatusOr<double> number = Double(text);
    if (!number.ok()) return number.status();
    if (*number != std::trunc(*number)) return Wrong(text, " is no whole number");
    if (std::abs(*number) > 9007199254740992.0) return Wrong(text, " is too large to be exact: write all its digits");
    if (*number < static_cast<double>(std::numeric_limits<Integer>::min()) ||
        *number > static_cast<double>(std::numeric_limits<Integer>::max())) {
      return range();
    }
    return static_cast<Integer>(*number);
  }
  return Wrong("\"", text, "\" is no whole number, such as 100");
}

absl::StatusOr<bool> Boolean(const YamlNode& node) {
  if (node.plain) {
    for (const char* word : {"true", "True", "TRUE"}) {
      if (node.text == word) return true;
    }
    for (const char* word : {"false", "False", "FALSE"}) {
      if (node.text == word) return false;
    }
  }
  return Wrong("true or false must stand here", node.plain ? "" : ", without quotes", ", not \"", node.text, "\"");
}

absl::StatusOr<int> EnumNumber(absl::string_view text, const EnumDescriptor& type) {
  if (const auto* value = FindEnumValue(type, text)) return value->number();
  int number = 0;
  if (absl::SimpleAtoi(text, &number)) return number;  // One that only the server may know, as in text format.
  std::vector<std::string> names;
  for (int i = 0; i < type.value_count(); ++i) {
    if (type.value(i)->number() != 0) names.push_back(EnumName(*type.value(i)));
  }
  return Wrong("there is no value \"", text, "\"; ", Known("values", std::string(text), names));
}

absl::StatusOr<std::string> Text(const YamlNode& node) {
  if (node.plain && NeedsQuotes(node.text)) {
    return Wrong("a text must stand here, and ", node.text, " is none to every reader of YAML: write \"", node.text,
                 "\"");
  }
  return node.text;
}

// Sets or adds what `value` holds.
template <class Value, class Set, class Add>
absl::Status Put(const absl::StatusOr<Value>& value, const FieldDescriptor& field, Message& message, Set set, Add add) {
  if (!value.ok()) return value.status();
  const Reflection& reflection = *message.GetReflection();
  if (field.is_repeated()) {
    (reflection.*add)(&message, &field, *value);
  } else {
    (reflection.*set)(&message, &field, *value);
  }
  return absl::OkStatus();
}

absl::StatusOr<float> Float(absl::string_view text) {
  const absl::StatusOr<double> value = Double(text);
  if (!value.ok()) return value.status();
  if (std::isfinite(*value) && std::isinf(static_cast<float>(*value))) return Wrong(text, " is too large for a float");
  return static_cast<float>(*value);
}

}  // namespace

bool NeedsQuotes(absl::string_view plain) {
  const std::string lower = absl::AsciiStrToLower(plain);
  for (const char* word : {"", "~", "null", "true", "false", "yes", "no", "on", "off", "<<", "="}) {
    if (lower == word) return true;
  }
  return IsDecimal(plain, "0123456789_:") || IsDate(plain) || IsPrefixed(plain) || SpecialNumber(plain).has_value();
}

absl::Status SetScalar(const YamlNode& node, const FieldDescriptor& field, Message& message) {
  const absl::string_view text = node.text;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return Put(Whole<int32_t>(text), field, message, &Reflection::SetInt32, &Reflection::AddInt32);
    case FieldDescriptor::CPPTYPE_INT64:
      return Put(Whole<int64_t>(text), field, message, &Reflection::SetInt64, &Reflection::AddInt64);
    case FieldDescriptor::CPPTYPE_UINT32:
      return Put(Whole<uint32_t>(text), field, message, &Reflection::SetUInt32, &Reflection::AddUInt32);
    case FieldDescriptor::CPPTYPE_UINT64:
      return Put(Whole<uint64_t>(text), field, message, &Reflection::SetUInt64, &Reflection::AddUInt64);
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return Put(Double(text), field, message, &Reflection::SetDouble, &Reflection::AddDouble);
    case FieldDescriptor::CPPTYPE_FLOAT:
      return Put(Float(text), field, message, &Reflection::SetFloat, &Reflection::AddFloat);
    case FieldDescriptor::CPPTYPE_BOOL:
      return Put(Boolean(node), field, message, &Reflection::SetBool, &Reflection::AddBool);
    case FieldDescriptor::CPPTYPE_ENUM:
      return Put(EnumNumber(text, *field.enum_type()), field, message, &Reflection::SetEnumValue,
                 &Reflection::AddEnumValue);
    case FieldDescriptor::CPPTYPE_STRING:
      return Put(Text(node), field, message, &Reflection::SetString, &Reflection::AddString);
    case FieldDescriptor::CPPTYPE_MESSAGE:
      break;
  }
  return Wrong("a message is no scalar");
}

}  // namespace traind::client
