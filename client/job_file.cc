#include "client/job_file.h"

#include <google/protobuf/io/tokenizer.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iostream>
#include <iterator>
#include <optional>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "client/suggest.h"

namespace traind::client {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using google::protobuf::TextFormat;

// The parser's first error.
class FirstError : public google::protobuf::io::ErrorCollector {
 public:
  void AddError(int line, google::protobuf::io::ColumnNumber column, const std::string& text) override {
    if (message.empty()) {
      message = text;
      at = TextFormat::ParseLocation(line, column);
    }
  }
  TextFormat::ParseLocation at;
  std::string message;
};

std::vector<std::string> FieldNames(const Descriptor& descriptor) {
  std::vector<std::string> names;
  for (int i = 0; i < descriptor.field_count(); ++i) names.push_back(descriptor.field(i)->name());
  return names;
}

// The text between the n-th and the following quotation mark, counted from 0 in pairs.
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

// What to add to the parser's message about an unknown word, and the word.
struct Advice {
  std::string word;
  std::string text;
};

std::optional<Advice> AdviceFor(const std::string& message) {
  if (absl::StrContains(message, "has no field named")) {
    const Descriptor* descriptor =
        google::protobuf::DescriptorPool::generated_pool()->FindMessageTypeByName(Quoted(message, 0));
    const std::string word = Quoted(message, 1);
    if (descriptor == nullptr) return std::nullopt;
    return Advice{.word = word, .text = Known("fields", word, FieldNames(*descriptor))};
  }
  if (absl::StartsWith(message, "Unknown enumeration value of")) {
    const std::string word = Quoted(message, 0);
    std::set<const Descriptor*> seen;
    std::set<const EnumDescriptor*> enums;
    FindEnums(*v1::JobSpec::descriptor(), Quoted(message, 1), seen, enums);
    std::vector<std::string> values;
    for (const EnumDescriptor* found : enums) {
      // The first value is UNSPECIFIED, which nobody needs to write.
      for (int i = 1; i < found->value_count(); ++i) values.push_back(found->value(i)->name());
    }
    if (!values.empty()) return Advice{.word = word, .text = Known("values", word, values)};
  }
  return std::nullopt;
}

std::string WithoutStop(absl::string_view sentence) { return std::string(absl::StripSuffix(sentence, ".")); }

// One step of a field path: "layers[3]" or "layers[conv1]".
struct Segment {
  std::string field;
  std::string selector;  // Empty: none.
};

std::vector<Segment> SplitPath(absl::string_view path) {
  std::vector<Segment> segments;
  for (absl::string_view part : absl::StrSplit(path, '.')) {
    const size_t bracket = part.find('[');
    Segment segment{.field = std::string(part.substr(0, bracket)), .selector = ""};
    if (bracket != part.npos) segment.selector = std::string(absl::StripSuffix(part.substr(bracket + 1), "]"));
    segments.push_back(std::move(segment));
  }
  return segments;
}

std::optional<int> ParseIndex(absl::string_view text) {
  int index = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), index);
  if (error != std::errc() || end != text.data() + text.size() || index < 0) return std::nullopt;
  return index;
}

// The index of the element that `selector` means, by number or by the element's `name`.
std::optional<int> FindElement(const Message& message, const FieldDescriptor& field, const std::string& selector) {
  const Reflection& reflection = *message.GetReflection();
  const int size = reflection.FieldSize(message, &field);
  if (const std::optional<int> index = ParseIndex(selector)) return *index < size ? index : std::nullopt;
  const FieldDescriptor* name = field.message_type()->FindFieldByName("name");
  if (name == nullptr || name->cpp_type() != FieldDescriptor::CPPTYPE_STRING) return std::nullopt;
  for (int i = 0; i < size; ++i) {
    const Message& element = reflection.GetRepeatedMessage(message, &field, i);
    if (element.GetReflection()->GetString(element, name) == selector) return i;
  }
  return std::nullopt;
}

// "field: value" in text format, with quotes around a bare string.
std::string Assignment(const FieldDescriptor& field, absl::string_view value) {
  const bool bare = value[0] != '"' && value[0] != '\'' && value[0] != '[';
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_STRING && bare) {
    return absl::StrCat(field.name(), ": \"", absl::CEscape(value), "\"");
  }
  return absl::StrCat(field.name(), ": ", value);
}

// The line as an error shows it: tabs expanded, and no control characters, which a file that is no text at all may
// hold.
std::string Shown(absl::string_view line) {
  std::string shown;
  for (const char c : line) {
    if (c == '\t') {
      shown.append(8 - shown.size() % 8, ' ');
    } else {
      shown.push_back(absl::ascii_iscntrl(static_cast<unsigned char>(c)) ? '?' : c);
    }
  }
  return shown;
}

// The widest part of a line that an error shows.
constexpr size_t kExcerptBytes = 160;

bool IsContinuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

bool Covers(absl::string_view outer, absl::string_view inner) {
  return absl::StartsWith(inner, outer) &&
         (inner.size() == outer.size() || inner[outer.size()] == '.' || inner[outer.size()] == '[');
}

}  // namespace

JobFile::JobFile(std::string name, absl::string_view text) : name_(std::move(name)) {
  for (absl::string_view line : absl::StrSplit(text, '\n')) lines_.push_back(Shown(absl::StripSuffix(line, "\r")));
}

absl::StatusOr<JobFile> JobFile::Read(const std::string& path) {
  if (path == "-") {
    const std::string text((std::istreambuf_iterator<char>(std::cin)), std::istreambuf_iterator<char>());
    return Parse(text, "<stdin>");
  }
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::ErrnoToStatus(errno, absl::StrCat("cannot open ", path));
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (file.bad()) return absl::ErrnoToStatus(errno, absl::StrCat("cannot read ", path));
  return Parse(text, path);
}

absl::StatusOr<JobFile> JobFile::Parse(absl::string_view text, std::string name) {
  JobFile file(std::move(name), text);
  absl::Status status = file.ParseAs(text, &file.spec_);
  if (status.ok()) return file;
  // The file is a bare network if its first unknown field is one of a Network's.
  if (absl::StrContains(status.message(), "\"traind.v1.JobSpec\" has no field named")) {
    const std::string word = Quoted(std::string(status.message()), 1);
    if (v1::Network::descriptor()->FindFieldByName(word) != nullptr) {
      file.spec_.Clear();
      file.is_network_ = true;
      status = file.ParseAs(text, file.spec_.mutable_network());
      if (status.ok()) return file;
    }
  }
  return status;
}

absl::Status JobFile::ParseAs(absl::string_view text, Message* message) {
  FirstError error;
  TextFormat::Parser parser;
  locations_ = std::make_unique<Locations>();
  parser.RecordErrorsTo(&error);
  parser.WriteLocationsTo(locations_.get());
  if (parser.ParseFromString(std::string(text), message)) return absl::OkStatus();
  TextFormat::ParseLocation at = error.at;
  std::string what = WithoutStop(error.message);
  if (const std::optional<Advice> advice = AdviceFor(error.message)) {
    absl::StrAppend(&what, "; ", advice->text);
    // The parser stands behind the word that it did not know, perhaps lines behind.
    size_t before = static_cast<size_t>(std::max(at.column, 0));
    for (int line = std::min(at.line, static_cast<int>(lines_.size()) - 1); line >= 0; --line) {
      const size_t word = lines_[static_cast<size_t>(line)].rfind(advice->word, before);
      if (word != std::string::npos) {
        at = TextFormat::ParseLocation(line, static_cast<int>(word));
        break;
      }
      before = std::string::npos;
    }
  }
  return absl::InvalidArgumentError(
      absl::StrCat(name_, ":", at.line + 1, ":", at.column + 1, ": ", what, Excerpt(at.line, at.column)));
}

absl::Status JobFile::Set(absl::string_view assignment) {
  const auto fail = [&](absl::string_view reason) {
    return absl::InvalidArgumentError(absl::StrCat("--set ", assignment, ": ", reason));
  };
  const size_t equals = assignment.find('=');
  if (equals == assignment.npos) return fail("must be field.path=value");
  const absl::string_view value = assignment.substr(equals + 1);
  const std::vector<Segment> segments = SplitPath(assignment.substr(0, equals));

  v1::JobSpec changed = spec_;  // The spec stays as it was when a step fails.
  Message* message = &changed;
  std::string path;
  for (size_t i = 0; i < segments.size(); ++i) {
    const Segment& segment = segments[i];
    const Descriptor& descriptor = *message->GetDescriptor();
    const FieldDescriptor* field = descriptor.FindFieldByName(segment.field);
    if (field == nullptr) {
      return fail(absl::StrCat(descriptor.name(), " has no field \"", segment.field, "\"; ",
                               Known("fields", segment.field, FieldNames(descriptor))));
    }
    absl::StrAppend(&path, path.empty() ? "" : ".", field->name());
    if (i + 1 == segments.size()) {
      if (!segment.selector.empty()) return fail("name a field inside the element, or set the whole list");
      message->GetReflection()->ClearField(message, field);
      if (!value.empty()) {
        FirstError error;
        TextFormat::Parser parser;
        parser.RecordErrorsTo(&error);
        if (!parser.MergeFromString(Assignment(*field, value), message)) {
          const std::optional<Advice> advice = AdviceFor(error.message);
          return fail(absl::StrCat(WithoutStop(error.message), advice ? "; " + advice->text : ""));
        }
      }
    } else if (field->message_type() == nullptr) {
      return fail(absl::StrCat(path, " has no fields of its own"));
    } else if (field->is_repeated()) {
      const std::optional<int> index = FindElement(*message, *field, segment.selector);
      if (!index) {
        const int size = message->GetReflection()->FieldSize(*message, field);
        return fail(absl::StrCat(path, " has ", size, " elements; choose one by index from 0, or by name"));
      }
      absl::StrAppend(&path, "[", *index, "]");
      message = message->GetReflection()->MutableRepeatedMessage(message, field, *index);
    } else {
      message = message->GetReflection()->MutableMessage(message, field);
    }
  }
  spec_ = std::move(changed);
  overrides_.emplace_back(path, std::string(assignment));
  return absl::OkStatus();
}

TextFormat::ParseLocation JobFile::Locate(absl::string_view path) const {
  const Descriptor* descriptor = is_network_ ? v1::Network::descriptor() : v1::JobSpec::descriptor();
  if (is_network_) path = absl::StripPrefix(path, "network.");
  const Locations* tree = locations_.get();
  TextFormat::ParseLocation location;
  for (const Segment& segment : SplitPath(path)) {
    const FieldDescriptor* field = descriptor->FindFieldByName(segment.field);
    if (field == nullptr) break;
    const int index = field->is_repeated() ? ParseIndex(segment.selector).value_or(0) : -1;
    TextFormat::ParseLocation found = tree->GetLocation(field, index);
    // The parser notes one place for a whole [list].
    if (found.line < 0 && index > 0) found = tree->GetLocation(field, 0);
    if (found.line < 0) break;
    location = found;
    if (field->message_type() == nullptr) break;
    tree = tree->GetTreeForNested(field, index);
    if (tree == nullptr) break;
    descriptor = field->message_type();
  }
  return location;
}

std::string JobFile::Excerpt(int line, int column) const {
  if (line < 0 || static_cast<size_t>(line) >= lines_.size()) return "";
  absl::string_view text = lines_[line];
  size_t caret = std::min(static_cast<size_t>(std::max(column, 0)), text.size());
  if (text.size() > kExcerptBytes) {
    size_t begin = caret - std::min(caret, kExcerptBytes / 2);
    while (begin < caret && IsContinuation(text[begin])) ++begin;
    text.remove_prefix(begin);
    caret -= begin;
    size_t end = std::min(text.size(), kExcerptBytes);
    while (end > caret && end < text.size() && IsContinuation(text[end])) --end;
    text = text.substr(0, end);
  }
  const std::string number = absl::StrCat(line + 1);
  return absl::StrCat("\n  ", number, " | ", text, "\n  ", std::string(number.size(), ' '), " | ",
                      std::string(caret, ' '), "^");
}

std::string JobFile::Explain(const FieldViolation& violation) const {
  const absl::string_view path = absl::StripPrefix(violation.field, "spec.");
  const std::string text = absl::StrCat(path, path.empty() ? "" : ": ", violation.description);
  for (auto entry = overrides_.rbegin(); entry != overrides_.rend(); ++entry) {
    if (Covers(entry->first, path)) return absl::StrCat("--set ", entry->second, ": ", text);
  }
  const TextFormat::ParseLocation at = Locate(path);
  if (at.line < 0) return absl::StrCat(name_, ": ", text);
  return absl::StrCat(name_, ":", at.line + 1, ":", at.column + 1, ": ", text, Excerpt(at.line, at.column));
}

}  // namespace traind::client
