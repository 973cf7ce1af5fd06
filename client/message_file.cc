#include "client/message_file.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "client/enum_names.h"
#include "client/field_path.h"
#include "client/file.h"
#include "client/text_fields.h"

namespace traind::client {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::TextFormat;

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

// The server takes requests of 8 MiB, and the text of one may be some times as long.
constexpr size_t kMaxBytes = 64 << 20;

constexpr size_t kMostErrors = 20;  // That are told of a file.

// An error shows so much of a long line: two lines of a terminal.
constexpr size_t kExcerptBytes = 160;

bool IsContinuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

// Whether the first line with something in it, or a "name:" at the left edge, is one of YAML; see MessageFile::Parse.
bool LooksLikeYaml(absl::string_view text) {
  bool first = true, name_alone = false;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    line = absl::StripTrailingAsciiWhitespace(line.substr(0, line.find('#')));
    const absl::string_view content = absl::StripLeadingAsciiWhitespace(line);
    if (content.empty()) continue;
    // Text format has the braces of a message in the next line, too.
    if (name_alone) return content[0] != '{' && content[0] != '<' && content[0] != '[';
    if (first && (content[0] == '{' || absl::StartsWith(line, "---"))) return true;
    name_alone = line.back() == ':' && absl::ascii_isalpha(static_cast<unsigned char>(line[0]));
    first = false;
  }
  return false;
}

bool IsYaml(absl::string_view name, absl::string_view text) {
  for (const char* ending : {".yaml", ".yml", ".json"}) {
    if (absl::EndsWithIgnoreCase(name, ending)) return true;
  }
  return !absl::EndsWithIgnoreCase(name, ".textproto") && LooksLikeYaml(text);
}

// The first name of the file that is no field of `whole` is one of `part`.
bool IsPart(const YamlNode& root, const Descriptor& whole, const Descriptor& part) {
  for (size_t i = 0; root.kind == YamlNode::Kind::kMap && i < root.items.size(); i += 2) {
    const auto known = [&](const Descriptor& in) {
      return in.FindFieldByName(root.items[i].text) != nullptr ||
             in.FindFieldByCamelcaseName(root.items[i].text) != nullptr;
    };
    if (!known(whole)) return known(part);
  }
  return false;
}

bool Covers(absl::string_view outer, absl::string_view inner) {
  return absl::StartsWith(inner, outer) &&
         (inner.size() == outer.size() || inner[outer.size()] == '.' || inner[outer.size()] == '[');
}

}  // namespace

MessageFile::MessageFile(std::string name, absl::string_view text, std::unique_ptr<Message> empty)
    : name_(std::move(name)), message_(std::move(empty)) {
  for (absl::string_view line : absl::StrSplit(text, '\n')) lines_.push_back(Shown(absl::StripSuffix(line, "\r")));
}

absl::StatusOr<std::string> MessageFile::ReadText(const std::string& path) { return client::ReadText(path, kMaxBytes); }

std::string MessageFile::NameOf(const std::string& path) { return path == "-" ? "<stdin>" : path; }

absl::StatusOr<MessageFile> MessageFile::Parse(absl::string_view text, std::string name, std::unique_ptr<Message> empty,
                                               absl::string_view part) {
  MessageFile file(std::move(name), text, std::move(empty));
  const absl::Status status = IsYaml(file.name_, text) ? file.ParseYaml(text, part) : file.ParseText(text, part);
  if (!status.ok()) return status;
  return file;
}

Message& MessageFile::Root() {
  if (part_.empty()) return *message_;
  return *message_->GetReflection()->MutableMessage(message_.get(), message_->GetDescriptor()->FindFieldByName(part_));
}

const Descriptor& MessageFile::RootType() const {
  const Descriptor& whole = *message_->GetDescriptor();
  return part_.empty() ? whole : *whole.FindFieldByName(part_)->message_type();
}

absl::Status MessageFile::ParseText(absl::string_view text, absl::string_view part) {
  std::optional<TextError> error = ParseRoot(text);
  // The file is the part alone if its first unknown field is one of that.
  if (error && !part.empty() && error->owner == message_->GetDescriptor() &&
      error->owner->FindFieldByName(std::string(part))->message_type()->FindFieldByName(error->unknown_word) !=
          nullptr) {
    message_->Clear();
    part_ = std::string(part);
    error = ParseRoot(text);
  }
  return error ? AllErrors(std::string(text), *std::move(error)) : absl::OkStatus();
}

absl::Status MessageFile::ParseYaml(absl::string_view text, absl::string_view part) {
  YamlNode root;
  std::vector<YamlError> errors;
  if (auto error = ReadYamlTree(text, root)) {
    errors.push_back(*std::move(error));
  } else {
    const Descriptor& whole = *message_->GetDescriptor();
    if (!part.empty() && IsPart(root, whole, *whole.FindFieldByName(std::string(part))->message_type())) {
      part_ = std::string(part);
    }
    errors = ReadMessage(root, Root(), &places_);
  }
  if (errors.empty()) return absl::OkStatus();
  std::vector<std::string> told;
  for (const YamlError& error : errors) {
    if (told.size() == kMostErrors) break;
    told.push_back(Placed(error.at, error.message));
  }
  if (errors.size() > told.size()) told.push_back(absl::StrCat("and ", errors.size() - told.size(), " more"));
  return absl::InvalidArgumentError(absl::StrJoin(told, "\n"));
}

std::optional<TextError> MessageFile::ParseRoot(absl::string_view text) {
  locations_ = std::make_unique<Locations>();
  return client::ParseText(text, Root(), locations_.get());
}

TextFormat::ParseLocation MessageFile::PlaceOf(const TextError& error) const {
  if (error.unknown_word.empty()) return error.at;
  // The parser stands behind the word that it did not know, perhaps lines behind.
  size_t before = static_cast<size_t>(std::max(error.at.column, 0));
  for (int line = std::min(error.at.line, static_cast<int>(lines_.size()) - 1); line >= 0; --line) {
    const size_t word = lines_[static_cast<size_t>(line)].rfind(error.unknown_word, before);
    if (word != std::string::npos) return TextFormat::ParseLocation(line, static_cast<int>(word));
    before = std::string::npos;
  }
  return error.at;
}

absl::Status MessageFile::AllErrors(std::string text, std::optional<TextError> error) {
  std::vector<std::string> errors;
  while (error && errors.size() < kMostErrors) {
    const TextFormat::ParseLocation at = PlaceOf(*error);
    std::string problem = Placed(at, error->message);
    if (!errors.empty() && errors.back() == problem) break;  // It could not be taken out.
    errors.push_back(std::move(problem));
    const bool of_a_field = !error->unknown_word.empty() || absl::StartsWith(error->message, "Expected integer") ||
                            absl::StartsWith(error->message, "Expected double") ||
                            absl::StartsWith(error->message, "Integer out of range");
    if (!of_a_field || !BlankField(at.line, at.column, text)) break;
    error = ParseRoot(text);
  }
  return absl::InvalidArgumentError(absl::StrJoin(errors, "\n"));
}

absl::Status MessageFile::Set(absl::string_view assignment) {
  const auto fail = [&](absl::string_view reason) {
    return absl::InvalidArgumentError(absl::StrCat("--set ", assignment, ": ", reason));
  };
  const size_t equals = assignment.find('=');
  if (equals == assignment.npos) return fail("must be field.path=value");
  absl::StatusOr<std::string> path = SetField(*message_, assignment.substr(0, equals), assignment.substr(equals + 1));
  if (!path.ok()) return fail(path.status().message());
  AddSource(*std::move(path), absl::StrCat("--set ", assignment));
  return absl::OkStatus();
}

void MessageFile::Include(absl::string_view field, MessageFile file) {
  const FieldDescriptor* place = message_->GetDescriptor()->FindFieldByName(std::string(field));
  message_->GetReflection()->MutableMessage(message_.get(), place)->CopyFrom(*file.message_);
  included_.emplace_back(std::string(field), std::move(file));
}

void MessageFile::AddSource(std::string path, std::string source) {
  overrides_.emplace_back(std::move(path), std::move(source));
}

TextFormat::ParseLocation MessageFile::Locate(absl::string_view path) const {
  if (locations_ != nullptr) return LocateInText(path);
  if (is_part()) path = absl::StripPrefix(path, absl::StrCat(part_, "."));
  while (!path.empty()) {
    if (const auto found = places_.find(std::string(path)); found != places_.end()) return found->second;
    path = path.substr(0, std::min(path.find_last_of(".["), path.size() - 1));
  }
  return {};
}

TextFormat::ParseLocation MessageFile::LocateInText(absl::string_view path) const {
  const Descriptor* descriptor = &WithShortNames(RootType());
  if (is_part()) path = absl::StripPrefix(path, absl::StrCat(part_, "."));
  const Locations* tree = locations_.get();
  TextFormat::ParseLocation location;
  const absl::StatusOr<std::vector<FieldStep>> steps = ParseFieldPath(path);
  if (!steps.ok()) return location;
  for (const FieldStep& step : *steps) {
    const FieldDescriptor* field = descriptor->FindFieldByName(step.field);
    if (field == nullptr) break;
    const int index = field->is_repeated() ? step.index.value_or(0) : -1;
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

std::string MessageFile::Excerpt(Place at) const {
  const auto [line, column] = at;
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

std::string MessageFile::Placed(Place at, absl::string_view message) const {
  return absl::StrCat(name_, ":", at.line + 1, ":", at.column + 1, ": ", message, Excerpt(at));
}

std::string MessageFile::Explain(const FieldViolation& violation) const {
  return ExplainPath(absl::StripPrefix(violation.field, "spec."), violation.description);
}

std::string MessageFile::ExplainPath(absl::string_view path, absl::string_view description) const {
  const std::string text = absl::StrCat(path, path.empty() ? "" : ": ", description);
  for (auto entry = overrides_.rbegin(); entry != overrides_.rend(); ++entry) {
    if (Covers(entry->first, path)) return absl::StrCat(entry->second, ": ", text);
  }
  for (const auto& [field, file] : included_) {
    if (Covers(field, path)) return file.ExplainPath(path.substr(std::min(field.size() + 1, path.size())), description);
  }
  const TextFormat::ParseLocation at = Locate(path);
  if (at.line < 0) return absl::StrCat(name_, ": ", text);
  return Placed(at, text);
}

}  // namespace traind::client
