#include "server/resources/filter_parser.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "core/base/enum_name.h"
#include "core/base/utf8.h"
#include "google/protobuf/descriptor.h"
#include "server/resources/suggest.h"

namespace traind::server {
namespace {

using google::protobuf::FieldDescriptor;

std::string Shown(absl::string_view text) {
  return absl::StrCat("\"", core::Excerpt({text.data(), text.size()}), "\"");
}

bool IsNameCharacter(char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_'; }
bool IsKeyCharacter(char c) { return IsNameCharacter(c) || c == '.' || c == '-'; }
bool IsBareCharacter(char c) {
  return !absl::ascii_isspace(static_cast<unsigned char>(c)) && !absl::StrContains("()\"'=<>,", c);
}

Value FromTime(absl::Time time) {
  const int64_t seconds = absl::ToUnixSeconds(time);
  return std::make_pair(seconds, static_cast<int32_t>((time - absl::FromUnixSeconds(seconds)) / absl::Nanoseconds(1)));
}

Value FromDuration(absl::Duration duration) {
  absl::Duration rest;
  const int64_t seconds = absl::IDivDuration(duration, absl::Seconds(1), &rest);
  return std::make_pair(seconds, static_cast<int32_t>(rest / absl::Nanoseconds(1)));
}

// The value that the text stands for, or what it should be.
struct Converted {
  Value value = {};
  const char* wanted = nullptr;
};

Converted ConvertTime(absl::string_view text) {
  absl::Time time;
  const bool known = absl::ParseTime(absl::RFC3339_full, text, &time, nullptr) ||
                     absl::ParseTime("%Y-%m-%d", text, absl::UTCTimeZone(), &time, nullptr);
  if (!known) return {.wanted = "a time like 2026-11-26T10:00:00Z or a date like 2026-11-26"};
  return {.value = FromTime(time)};
}

Converted ConvertDuration(absl::string_view text) {
  absl::Duration duration;
  if (!absl::ParseDuration(text, &duration)) return {.wanted = "a duration like 90s or 1h30m"};
  return {.value = FromDuration(duration)};
}

Converted ConvertBool(absl::string_view text) {
  if (text != "true" && text != "false") return {.wanted = "true or false"};
  return {.value = std::make_pair(int64_t{text == "true"}, int32_t{0})};
}

Converted ConvertReal(absl::string_view text) {
  double number = 0;
  if (!absl::SimpleAtod(text, &number) || number != number) return {.wanted = "a number"};
  return {.value = number};
}

Converted ConvertWhole(absl::string_view text) {
  int64_t number = 0;
  if (!absl::SimpleAtoi(text, &number)) return {.wanted = "a whole number"};
  return {.value = std::make_pair(number, int32_t{0})};
}

Converted ConvertValue(const FieldDescriptor& field, absl::string_view text) {
  if (IsTime(field)) return ConvertTime(text);
  if (IsDuration(field)) return ConvertDuration(text);
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return ConvertBool(text);
    case FieldDescriptor::CPPTYPE_FLOAT:
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return ConvertReal(text);
    default:
      return ConvertWhole(text);
  }
}

// A map's values are strings, too.
bool HoldsText(const FieldDescriptor& field) {
  return field.is_map() || field.cpp_type() == FieldDescriptor::CPPTYPE_STRING;
}

bool HasNoOrder(const FieldDescriptor& field) {
  return field.cpp_type() == FieldDescriptor::CPPTYPE_ENUM || field.cpp_type() == FieldDescriptor::CPPTYPE_BOOL;
}

}  // namespace

Filter::Node FilterParser::Parse() {
  if (text_.size() > Filter::kMaxBytes) {
    error_.Add(absl::StrCat("must have at most ", Filter::kMaxBytes, " bytes"));
    return {};
  }
  SkipBlanks();
  Node root;
  if (AtEnd()) return root;
  if (!ReadFilter(root)) return {};
  if (!AtEnd()) {
    Fail(at_, "\")\" without \"(\"");
    return {};
  }
  return root;
}

bool FilterParser::ReadFilter(Node& node) {
  node.kind = Node::Kind::kAll;
  while (true) {
    if (!ReadAlternatives(node.children.emplace_back())) return false;
    SkipBlanks();
    if (AtEnd() || Peek() == ')') return true;
    TakeKeyword("AND");
  }
}

bool FilterParser::ReadAlternatives(Node& node) {
  node.kind = Node::Kind::kAny;
  do {
    if (!ReadTerm(node.children.emplace_back())) return false;
    SkipBlanks();
  } while (TakeKeyword("OR"));
  return true;
}

bool FilterParser::ReadTerm(Node& node) {
  SkipBlanks();
  if (Peek() == '-') {
    ++at_;
  } else if (!TakeKeyword("NOT")) {
    return Peek() == '(' ? ReadGroup(node) : ReadComparison(node);
  }
  node.kind = Node::Kind::kNot;
  SkipBlanks();
  Node& child = node.children.emplace_back();
  return Peek() == '(' ? ReadGroup(child) : ReadComparison(child);
}

bool FilterParser::ReadGroup(Node& node) {
  const size_t begin = at_++;
  if (++depth_ > Filter::kMaxDepth) {
    return Fail(begin, absl::StrCat("parentheses may be ", Filter::kMaxDepth, " deep"));
  }
  if (!ReadFilter(node)) return false;
  if (Peek() != ')') return Fail(begin, "\"(\" without \")\"");
  ++at_;
  --depth_;
  return true;
}

bool FilterParser::ReadComparison(Node& node) {
  node.kind = Node::Kind::kComparison;
  const size_t begin = at_;
  const absl::string_view name = TakeWhile(IsNameCharacter);
  if (name.empty()) {
    return Fail(at_, AtEnd() ? "a comparison is missing: field = value" : "is no field; a comparison is field = value");
  }
  node.field = fields_.Find(name);
  if (node.field == nullptr) {
    return Fail(begin,
                absl::StrCat("there is no field ", Shown(name), "; ", KnownWords("fields", name, fields_.names())));
  }
  if (Peek() == '.' && !ReadKey(node)) return false;
  SkipBlanks();
  const size_t op_begin = at_;
  if (!ReadOperator(node.op)) return false;
  SkipBlanks();
  if (node.op == Operator::kContains && ReadPresence(node)) return true;
  const size_t value_begin = at_;
  std::string value;
  if (!ReadValue(value)) return false;
  if (node.field->is_map() && node.key.empty()) {
    if (node.op != Operator::kContains) {
      return Fail(op_begin, absl::StrCat("name a key: ", name, ".team = \"vision\"; ", name, ":team asks for the key"));
    }
    node.key = std::move(value);
    node.op = Operator::kPresent;
    return true;
  }
  if (HasNoOrder(*node.field) && node.op != Operator::kContains && node.op > Operator::kNotEqual) {
    return Fail(op_begin, absl::StrCat(name, " has no order: compare it with = or !="));
  }
  return Convert(value, value_begin, node);
}

bool FilterParser::ReadKey(Node& node) {
  const size_t begin = at_++;
  if (!node.field->is_map()) return Fail(begin, absl::StrCat(node.field->name(), " has no fields of its own"));
  if (Peek() == '"' || Peek() == '\'') {
    if (!ReadQuoted(node.key)) return false;
  } else {
    node.key = std::string(TakeWhile(IsKeyCharacter));
  }
  return !node.key.empty() || Fail(begin, "a key is missing");
}

bool FilterParser::ReadOperator(Operator& op) {
  struct Spelling {
    absl::string_view text;
    Operator op;
  };
  // The longer ones first.
  static constexpr Spelling kSpellings[] = {
      {"!=", Operator::kNotEqual}, {"<=", Operator::kLessEqual}, {">=", Operator::kGreaterEqual},
      {"=", Operator::kEqual},     {"<", Operator::kLess},       {">", Operator::kGreater},
      {":", Operator::kContains},
  };
  for (const Spelling& spelling : kSpellings) {
    if (!absl::StartsWith(text_.substr(at_), spelling.text)) continue;
    op = spelling.op;
    at_ += spelling.text.size();
    return Peek() != '=' || Fail(at_, "is one \"=\" too many");
  }
  return Fail(at_, "a comparison is missing: one of = != < <= > >= :");
}

bool FilterParser::ReadPresence(Node& node) {
  if (Peek() != '*') return false;
  const bool ends = at_ + 1 == text_.size() || !IsBareCharacter(text_[at_ + 1]);
  if (!ends || (node.field->is_map() && node.key.empty())) return false;
  ++at_;
  node.op = Operator::kPresent;
  return true;
}

bool FilterParser::ReadValue(std::string& value) {
  if (Peek() == '"' || Peek() == '\'') return ReadQuoted(value);
  value = std::string(TakeWhile(IsBareCharacter));
  return !value.empty() || Fail(at_, "a value is missing; put one with other characters in quotes");
}

bool FilterParser::ReadQuoted(std::string& value) {
  const size_t begin = at_;
  const char quote = text_[at_++];
  for (; !AtEnd(); ++at_) {
    if (text_[at_] == quote) {
      ++at_;
      return true;
    }
    if (text_[at_] == '\\' && at_ + 1 < text_.size() && absl::StrContains("\"'\\", text_[at_ + 1])) ++at_;
    value.push_back(text_[at_]);
  }
  return Fail(begin, "the quote has no end");
}

bool FilterParser::Convert(absl::string_view value, size_t begin, Node& node) {
  const FieldDescriptor& field = *node.field;
  if (HoldsText(field)) {
    node.value = node.op == Operator::kContains ? absl::AsciiStrToLower(value) : std::string(value);
    return true;
  }
  if (node.op == Operator::kContains) node.op = Operator::kEqual;
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_ENUM) return ConvertEnum(value, begin, node);
  Converted converted = ConvertValue(field, value);
  if (converted.wanted != nullptr) {
    return Fail(begin, absl::StrCat(Shown(value), " must be ", converted.wanted, ": so is ", field.name()));
  }
  node.value = std::move(converted.value);
  return true;
}

bool FilterParser::ConvertEnum(absl::string_view value, size_t begin, Node& node) {
  const auto& type = *node.field->enum_type();
  std::vector<std::string> known;
  for (int i = 0; i < type.value_count(); ++i) {
    const auto& candidate = *type.value(i);
    const std::string name = core::EnumName(candidate);
    if (value == name || value == candidate.name()) {
      node.value = std::make_pair(int64_t{candidate.number()}, int32_t{0});
      return true;
    }
    if (candidate.number() != 0) known.push_back(name);
  }
  return Fail(begin,
              absl::StrCat(Shown(value), " is no ", node.field->name(), "; ", KnownWords("values", value, known)));
}

void FilterParser::SkipBlanks() {
  TakeWhile([](char c) { return absl::ascii_isspace(static_cast<unsigned char>(c)); });
}

bool FilterParser::TakeKeyword(absl::string_view word) {
  const absl::string_view rest = text_.substr(at_);
  if (!absl::StartsWith(rest, word)) return false;
  if (rest.size() > word.size() && IsNameCharacter(rest[word.size()])) return false;
  at_ += word.size();
  return true;
}

bool FilterParser::Fail(size_t at, absl::string_view description) {
  const absl::string_view before = text_.substr(0, at);
  error_.Add(absl::StrCat("character ", core::Characters({before.data(), before.size()}) + 1, ": ", description));
  return false;
}

}  // namespace traind::server
