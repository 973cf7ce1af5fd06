#include "server/resources/field_path.h"

#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/text_format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "server/resources/suggest.h"

namespace traind::server {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr size_t kMostPathBytes = 1024;
constexpr size_t kMostValueBytes = 64 << 10;
constexpr int kDeepestValue = 100;  // As protobuf's parser of bytes.

struct PathStep {
  std::string field;
  std::optional<int> index = std::nullopt;         // layers[2]
  std::optional<std::string> name = std::nullopt;  // layers[conv1]
};

template <class... Parts>
absl::Status PathFault(const Parts&... parts) {
  return absl::InvalidArgumentError(absl::StrCat(parts...));
}

absl::StatusOr<PathStep> StepOf(absl::string_view part) {
  PathStep step{.field = std::string(part.substr(0, part.find('[')))};
  if (step.field.empty()) return PathFault("the name of a field is missing before \"", absl::CHexEscape(part), "\"");
  absl::string_view element = part.substr(step.field.size());
  if (element.empty()) return step;
  element.remove_prefix(1);
  if (!absl::ConsumeSuffix(&element, "]") || element.empty()) {
    return PathFault("an index or a name must stand in [] of \"", absl::CHexEscape(part), "\"");
  }
  int index = 0;
  if (element.size() > 2 && element.front() == '"' && element.back() == '"') {
    step.name = std::string(element.substr(1, element.size() - 2));
  } else if (absl::SimpleAtoi(element, &index) && index >= 0) {
    step.index = index;
  } else {
    step.name = std::string(element);
  }
  return step;
}

absl::StatusOr<std::vector<PathStep>> StepsOf(absl::string_view path) {
  if (path.empty() || path.size() > kMostPathBytes) return PathFault("a path has 1 to ", kMostPathBytes, " characters");
  std::vector<PathStep> steps;
  size_t begin = 0, depth = 0;
  for (size_t i = 0; i <= path.size(); ++i) {
    if (i < path.size() && path[i] == '[') ++depth;
    if (i < path.size() && path[i] == ']' && depth > 0) --depth;
    if (i < path.size() && (path[i] != '.' || depth > 0)) continue;
    auto step = StepOf(path.substr(begin, i - begin));
    if (!step.ok()) return step.status();
    steps.push_back(*std::move(step));
    begin = i + 1;
  }
  return steps;
}

std::vector<std::string> NamesOfFields(const Descriptor& descriptor) {
  std::vector<std::string> names;
  for (int i = 0; i < descriptor.field_count(); ++i) names.push_back(descriptor.field(i)->name());
  return names;
}

// The value with this name, with or without the prefix that the value 0 has before UNSPECIFIED; null: there is none.
const EnumValueDescriptor* EnumValueOf(const EnumDescriptor& type, absl::string_view name) {
  absl::string_view prefix = type.value(0)->name();
  if (!absl::ConsumeSuffix(&prefix, "UNSPECIFIED")) prefix = "";
  const auto* full = type.FindValueByName(std::string(name));
  return full != nullptr ? full : type.FindValueByName(absl::StrCat(prefix, name));
}

// Keeps the first thing that the parser says.
class FirstFault : public google::protobuf::io::ErrorCollector {
 public:
  void AddError(int, google::protobuf::io::ColumnNumber, const std::string& text) override {
    if (first_.empty()) first_ = text;
  }
  const std::string& first() const { return first_; }

 private:
  std::string first_;
};

// The enum of a field with this name in the message or in one below it; null: none, or not one alone.
const EnumDescriptor* EnumOfField(const Descriptor& descriptor, absl::string_view field, absl::string_view word,
                                  std::vector<const Descriptor*>& seen) {
  if (std::find(seen.begin(), seen.end(), &descriptor) != seen.end()) return nullptr;
  seen.push_back(&descriptor);
  for (int i = 0; i < descriptor.field_count(); ++i) {
    const FieldDescriptor& at = *descriptor.field(i);
    if (at.enum_type() != nullptr && at.name() == field && EnumValueOf(*at.enum_type(), word) != nullptr) {
      return at.enum_type();
    }
    if (at.message_type() == nullptr) continue;
    if (const auto* found = EnumOfField(*at.message_type(), field, word, seen); found != nullptr) return found;
  }
  return nullptr;
}

bool IsWordCharacter(char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_'; }

// Writes a bare word in full where it is the short name of a value of the enum field before it.
std::string WithFullEnumNames(absl::string_view text, const Descriptor& descriptor) {
  std::string full, field, word;
  char quote = 0;
  for (size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (quote != 0) {
      if (c == '\\' && i + 1 < text.size()) full += text[i++];
      if (text[i] == quote && c != '\\') quote = 0;
      full += text[i++];
      continue;
    }
    if (!IsWordCharacter(c)) {
      if (c == '"' || c == '\'') quote = c;
      if (c == ':') field = word;
      full += c;
      ++i;
      continue;
    }
    const size_t begin = i;
    while (i < text.size() && IsWordCharacter(text[i])) ++i;
    word = std::string(text.substr(begin, i - begin));
    std::vector<const Descriptor*> seen;
    const EnumDescriptor* type = field.empty() || absl::ascii_isdigit(static_cast<unsigned char>(word[0]))
                                     ? nullptr
                                     : EnumOfField(descriptor, field, word, seen);
    full += type == nullptr ? word : EnumValueOf(*type, word)->name();
  }
  return full;
}

std::string DurationText(absl::string_view value) {
  absl::Duration duration;
  if (!absl::ParseDuration(std::string(value), &duration) || duration == absl::InfiniteDuration() ||
      duration == -absl::InfiniteDuration()) {
    return "";
  }
  absl::Duration rest;
  const int64_t seconds = absl::IDivDuration(duration, absl::Seconds(1), &rest);
  return absl::StrCat("{ seconds: ", seconds, " nanos: ", absl::ToInt64Nanoseconds(rest), " }");
}

// A walk along a path, which has come to a message and knows the path so far.
class PathWalk {
 public:
  explicit PathWalk(Message& message) : message_(&message) {}

  absl::Status Enter(const PathStep& step) {
    const auto target = Find(step);
    if (!target.ok()) return target.status();
    const FieldDescriptor* field = target->field;
    const auto& reflection = *message_->GetReflection();
    if (field->message_type() == nullptr) return PathFault(path_, " has no fields of its own");
    if (field->is_map()) return PathFault(path_, " is a map, which can be set as a whole only");
    if (!field->is_repeated()) {
      message_ = reflection.MutableMessage(message_, field);
    } else if (!target->index) {
      return PathFault(path_, " has ", target->size, " elements; choose one by index from 0, or by name");
    } else if (*target->index == target->size) {
      message_ = reflection.AddMessage(message_, field);
    } else {
      message_ = reflection.MutableRepeatedMessage(message_, field, *target->index);
    }
    return absl::OkStatus();
  }

  absl::Status Assign(const PathStep& step, absl::string_view value, bool* in_path) {
    const auto target = Find(step);
    if (!target.ok()) return target.status();
    if (in_path != nullptr) *in_path = false;
    const FieldDescriptor* field = target->field;
    if (value.empty()) {
      Remove(*target);
      return absl::OkStatus();
    }
    const std::unique_ptr<Message> parsed(message_->New());
    if (absl::Status status = ReadValue(*field, value, *parsed); !status.ok()) return status;
    const auto& reflection = *message_->GetReflection();
    if (!target->index) {
      reflection.ClearField(message_, field);
      message_->MergeFrom(*parsed);
      return absl::OkStatus();
    }
    if (reflection.FieldSize(*parsed, field) != 1) return PathFault(path_, " is one element and takes one value");
    message_->MergeFrom(*parsed);  // The element is the last one now.
    if (*target->index < target->size) {
      reflection.SwapElements(message_, field, *target->index, target->size);
      reflection.RemoveLast(message_, field);
    }
    return absl::OkStatus();
  }

 private:
  struct Target {
    const FieldDescriptor* field;
    std::optional<int> index = {};  // An element; `size` is one to append.
    int size = 0;                   // Elements of a list.
  };

  absl::StatusOr<Target> Find(const PathStep& step) {
    const Descriptor& descriptor = *message_->GetDescriptor();
    const FieldDescriptor* field = descriptor.FindFieldByName(step.field);
    if (field == nullptr) {
      return PathFault(path_.empty() ? descriptor.name() : path_, " has no field \"", absl::CHexEscape(step.field),
                       "\"; ", KnownWords("fields", step.field, NamesOfFields(descriptor)));
    }
    absl::StrAppend(&path_, path_.empty() ? "" : ".", field->name());
    Target target{.field = field};
    if (field->is_repeated()) target.size = message_->GetReflection()->FieldSize(*message_, field);
    if (!step.index && !step.name) return target;
    if (!field->is_repeated() || field->is_map()) return PathFault(path_, " is no list and has no elements");
    std::vector<std::string> names;
    target.index = step.index ? step.index : FindNamed(*field, *step.name, target.size, names);
    if (!target.index) {
      return PathFault(path_, " has ", target.size, " elements, none with the name \"", absl::CHexEscape(*step.name),
                       "\"", names.empty() ? "" : absl::StrCat("; ", KnownWords("names", *step.name, names)));
    }
    if (*target.index > target.size) {
      return PathFault(path_, " has ", target.size, " elements, counted from 0; [", target.size, "] appends one");
    }
    absl::StrAppend(&path_, "[", *target.index, "]");
    return target;
  }

  std::optional<int> FindNamed(const FieldDescriptor& field, const std::string& wanted, int size,
                               std::vector<std::string>& names) const {
    const FieldDescriptor* name = field.message_type() ? field.message_type()->FindFieldByName("name") : nullptr;
    if (name == nullptr || name->is_repeated() || name->cpp_type() != FieldDescriptor::CPPTYPE_STRING) {
      return std::nullopt;
    }
    for (int i = 0; i < size; ++i) {
      const Message& element = message_->GetReflection()->GetRepeatedMessage(*message_, &field, i);
      names.push_back(element.GetReflection()->GetString(element, name));
      if (names.back() == wanted) return i;
    }
    return std::nullopt;
  }

  void Remove(const Target& target) {
    const auto& reflection = *message_->GetReflection();
    if (!target.index) return reflection.ClearField(message_, target.field);
    if (*target.index == target.size) return;
    for (int i = *target.index; i + 1 < target.size; ++i) reflection.SwapElements(message_, target.field, i, i + 1);
    reflection.RemoveLast(message_, target.field);
  }

  // Reads the value as that of the field alone into `parsed`, an empty message of the same type.
  absl::Status ReadValue(const FieldDescriptor& field, absl::string_view value, Message& parsed) const {
    if (value.size() > kMostValueBytes) return PathFault(path_, ": a value has at most 64 KiB");
    const char first = value[0];
    const bool list = field.is_repeated() && first == '[';
    const bool duration =
        field.message_type() != nullptr && field.message_type()->full_name() == "google.protobuf.Duration";
    std::string text(value);
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_STRING && first != '"' && first != '\'' && !list) {
      text = absl::StrCat("\"", absl::CEscape(value), "\"");
    } else if (duration && first != '{' && first != '<') {
      text = DurationText(value);
      if (text.empty()) return PathFault(path_, " must be a duration such as 90s, 1.5s or 1h30m");
    } else if (field.message_type() != nullptr && first != '{' && first != '<' && !list) {
      // "adam { ... }" of a oneof's member: as one message in braces.
      text = absl::StrCat("{ ", value, " }");
    }
    text = absl::StrCat(field.name(), ": ", text);
    if (field.cpp_type() != FieldDescriptor::CPPTYPE_STRING) text = WithFullEnumNames(text, *parsed.GetDescriptor());
    FirstFault errors;
    google::protobuf::TextFormat::Parser parser;
    parser.RecordErrorsTo(&errors);
    parser.SetRecursionLimit(kDeepestValue);
    if (!parser.ParseFromString(text, &parsed)) {
      return PathFault(path_, ": \"", absl::CHexEscape(value),
                       "\" cannot be read: ", std::string(absl::StripSuffix(errors.first(), ".")));
    }
    std::vector<const FieldDescriptor*> set;
    parsed.GetReflection()->ListFields(parsed, &set);
    for (const FieldDescriptor* other : set) {
      if (other != &field) return PathFault(path_, ": the value sets ", other->name(), ", too");
    }
    return absl::OkStatus();
  }

  Message* message_;
  std::string path_;
};

}  // namespace

absl::Status SetFieldAt(Message& message, absl::string_view path, absl::string_view value, bool* in_path) {
  if (in_path != nullptr) *in_path = true;
  const auto steps = StepsOf(path);
  if (!steps.ok()) return steps.status();
  const std::unique_ptr<Message> changed(message.New());
  changed->CopyFrom(message);
  PathWalk walk(*changed);
  for (size_t i = 0; i + 1 < steps->size(); ++i) {
    if (absl::Status status = walk.Enter((*steps)[i]); !status.ok()) return status;
  }
  if (absl::Status status = walk.Assign(steps->back(), value, in_path); !status.ok()) return status;
  message.GetReflection()->Swap(&message, changed.get());
  return absl::OkStatus();
}

}  // namespace traind::server
