#include "client/fix.h"

#include <algorithm>
#include <memory>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "client/parse_text.h"
#include "client/suggest.h"

namespace traind::client {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::OneofDescriptor;
using google::protobuf::Reflection;

// Paths of JobSpec, and what is below them, with which a checkpoint can go on: its tensors keep names, shapes and
// meaning.
constexpr const char* kGoesOn[] = {"optimizer",
                                   "loss",
                                   "batch_size",
                                   "sampling",
                                   "epochs",
                                   "steps",
                                   "evaluation",
                                   "statistics",
                                   "checkpoint",
                                   "threads",
                                   "metrics_every_steps",
                                   "max_duration",
                                   "last_batch",
                                   "insight",
                                   "early_stopping",
                                   "data.augmentation",
                                   "data.prefetch_threads"};

bool Has(const Message& message, const FieldDescriptor& field) {
  const Reflection& reflection = *message.GetReflection();
  return field.is_repeated() ? reflection.FieldSize(message, &field) > 0 : reflection.HasField(message, &field);
}

// A message that has this field alone.
std::unique_ptr<Message> Alone(const Message& message, const FieldDescriptor& field) {
  std::unique_ptr<Message> alone(message.New());
  alone->CopyFrom(message);
  std::vector<const FieldDescriptor*> set;
  alone->GetReflection()->ListFields(*alone, &set);
  for (const FieldDescriptor* other : set) {
    if (other != &field) alone->GetReflection()->ClearField(alone.get(), other);
  }
  alone->GetReflection()->MutableUnknownFields(alone.get())->Clear();
  return alone;
}

// Replaces what the path, from its name `at` on, leads to in `message` by what it leads to in `patch`.
absl::Status Replace(const std::vector<std::string>& path, size_t at, const Message& patch, Message& message) {
  const Descriptor& descriptor = *message.GetDescriptor();
  const FieldDescriptor* field = descriptor.FindFieldByName(path[at]);
  const auto fault = [&](absl::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat("fix.mask: ", absl::StrJoin(path, "."), ": ", what));
  };
  if (field == nullptr) {
    return fault(absl::StrCat(descriptor.name(), " has no field \"", path[at], "\"; ",
                              Known("fields", path[at], FieldNames(descriptor))));
  }
  const Reflection& reflection = *message.GetReflection();
  if (at + 1 < path.size()) {
    if (field->is_repeated() || field->message_type() == nullptr) {
      return fault(absl::StrCat("\"", path[at], "\" is no message and has no fields of its own"));
    }
    return Replace(path, at + 1, patch.GetReflection()->GetMessage(patch, field),
                   *reflection.MutableMessage(&message, field));
  }
  reflection.ClearField(&message, field);
  if (Has(patch, *field)) message.MergeFrom(*Alone(patch, *field));
  return absl::OkStatus();
}

// Text format in one line. What stands in a string is escaped: no line end there is one of the text's.
std::string OneLine(const Message& message) {
  std::vector<std::string> lines = absl::StrSplit(PrintText(message), '\n', absl::SkipWhitespace());
  for (std::string& line : lines) line = std::string(absl::StripAsciiWhitespace(line));
  return absl::StrJoin(lines, " ");
}

// "relu { }", "0.05", "[3, 3]": the field's value, of a oneof with its name.
std::string ValueText(const Message& message, const FieldDescriptor& field) {
  if (!Has(message, field)) return "";
  std::string text = OneLine(*Alone(message, field));
  if (field.real_containing_oneof() != nullptr) return text;
  const std::string scalar = absl::StrCat(field.name(), ": ");
  const std::string nested = absl::StrCat(field.name(), " ");
  if (!field.is_repeated()) {
    const bool is_message = field.message_type() != nullptr;
    return std::string(absl::StripPrefix(text, is_message ? nested : scalar));
  }
  // An element each, of messages with their braces.
  std::vector<std::string> elements;
  const int size = message.GetReflection()->FieldSize(message, &field);
  for (int i = 0; i < size; ++i) {
    if (field.message_type() != nullptr) {
      elements.push_back(OneLine(message.GetReflection()->GetRepeatedMessage(message, &field, i)));
    }
  }
  if (!elements.empty()) return absl::StrCat("[", absl::StrJoin(elements, ", "), "]");
  std::vector<std::string> words = absl::StrSplit(text, ' ', absl::SkipEmpty());
  words.erase(std::remove(words.begin(), words.end(), absl::StrCat(field.name(), ":")), words.end());
  return absl::StrCat("[", absl::StrJoin(words, ", "), "]");
}

// The element's name, where it has one, else its index.
std::string ElementOf(const Message& element, int index) {
  const FieldDescriptor* name = element.GetDescriptor()->FindFieldByName("name");
  if (name == nullptr || name->is_repeated() || name->cpp_type() != FieldDescriptor::CPPTYPE_STRING) {
    return absl::StrCat("[", index, "]");
  }
  const std::string text = element.GetReflection()->GetString(element, name);
  return absl::StrCat("[", text.empty() ? absl::StrCat(index) : text, "]");
}

void Compare(const Message& before, const Message& after, const std::string& path, std::vector<FieldChange>& changes);

using Named = std::vector<std::pair<std::string, const Message*>>;

// Elements of a list by their names; empty: one has none, or not its own.
Named ByName(const Message& message, const FieldDescriptor& field) {
  const FieldDescriptor* name = field.message_type()->FindFieldByName("name");
  if (name == nullptr || name->is_repeated() || name->cpp_type() != FieldDescriptor::CPPTYPE_STRING) return {};
  Named named;
  std::set<std::string> names;
  for (int i = 0; i < message.GetReflection()->FieldSize(message, &field); ++i) {
    const Message& element = message.GetReflection()->GetRepeatedMessage(message, &field, i);
    named.emplace_back(element.GetReflection()->GetString(element, name), &element);
    if (named.back().first.empty() || !names.insert(named.back().first).second) return {};
  }
  return named;
}

const Message* Find(const Named& named, const std::string& name) {
  for (const auto& [own, element] : named) {
    if (own == name) return element;
  }
  return nullptr;
}

std::string NamesOf(const Named& named, const Named& others) {
  std::vector<std::string> names;
  for (const auto& [name, element] : named) {
    if (Find(others, name) != nullptr) names.push_back(name);
  }
  return absl::StrJoin(names, ", ");
}

// The order of those that stay, what goes, what stays and is another, what comes.
void CompareNamed(const Named& before, const Named& after, const std::string& path, std::vector<FieldChange>& changes) {
  const std::string old_order = NamesOf(before, after), new_order = NamesOf(after, before);
  if (old_order != new_order) changes.push_back({.path = path, .before = old_order, .after = new_order});
  const auto at = [&](const std::string& name) { return absl::StrCat(path, "[", name, "]"); };
  for (const auto& [name, element] : before) {
    const Message* now = Find(after, name);
    if (now == nullptr) {
      changes.push_back({.path = at(name), .before = absl::StrCat("{ ", OneLine(*element), " }"), .after = ""});
    } else {
      Compare(*element, *now, at(name), changes);
    }
  }
  for (const auto& [name, element] : after) {
    if (Find(before, name) != nullptr) continue;
    changes.push_back({.path = at(name), .before = "", .after = absl::StrCat("{ ", OneLine(*element), " }")});
  }
}

// Lists of messages: by their names, else by their places where these are as many; false: neither.
bool CompareLists(const Message& before, const Message& after, const FieldDescriptor& field, const std::string& path,
                  std::vector<FieldChange>& changes) {
  const Named old_named = ByName(before, field), new_named = ByName(after, field);
  if (!old_named.empty() && !new_named.empty()) {
    CompareNamed(old_named, new_named, path, changes);
    return true;
  }
  const Reflection& reflection = *before.GetReflection();
  const int size = reflection.FieldSize(before, &field);
  if (size == 0 || size != reflection.FieldSize(after, &field)) return false;
  for (int i = 0; i < size; ++i) {
    const Message& element = reflection.GetRepeatedMessage(before, &field, i);
    Compare(element, reflection.GetRepeatedMessage(after, &field, i), absl::StrCat(path, ElementOf(element, i)),
            changes);
  }
  return true;
}

void CompareField(const Message& before, const Message& after, const FieldDescriptor& field, const std::string& path,
                  std::vector<FieldChange>& changes) {
  const Reflection& reflection = *before.GetReflection();
  const bool messages = field.message_type() != nullptr && !field.is_map();
  if (messages && field.is_repeated()) {
    if (CompareLists(before, after, field, path, changes)) return;
  } else if (messages && Has(before, field) && Has(after, field)) {
    Compare(reflection.GetMessage(before, &field), reflection.GetMessage(after, &field), path, changes);
    return;
  }
  std::string old_text = ValueText(before, field), new_text = ValueText(after, field);
  if (old_text != new_text || Has(before, field) != Has(after, field)) {
    changes.push_back({.path = path, .before = std::move(old_text), .after = std::move(new_text)});
  }
}

// The members of a oneof; one that gives way to another is one change, of what has them.
void CompareOneof(const Message& before, const Message& after, const OneofDescriptor& oneof, const std::string& path,
                  std::vector<FieldChange>& changes) {
  const FieldDescriptor* old_member = before.GetReflection()->GetOneofFieldDescriptor(before, &oneof);
  const FieldDescriptor* new_member = after.GetReflection()->GetOneofFieldDescriptor(after, &oneof);
  if (old_member == new_member) {
    if (old_member == nullptr) return;
    return CompareField(before, after, *old_member, absl::StrCat(path, path.empty() ? "" : ".", old_member->name()),
                        changes);
  }
  changes.push_back({.path = path.empty() ? oneof.name() : path,
                     .before = old_member == nullptr ? "" : ValueText(before, *old_member),
                     .after = new_member == nullptr ? "" : ValueText(after, *new_member)});
}

void Compare(const Message& before, const Message& after, const std::string& path, std::vector<FieldChange>& changes) {
  const Descriptor& descriptor = *before.GetDescriptor();
  for (int i = 0; i < descriptor.field_count(); ++i) {
    const FieldDescriptor& field = *descriptor.field(i);
    const OneofDescriptor* oneof = field.real_containing_oneof();
    if (oneof == nullptr) {
      CompareField(before, after, field, absl::StrCat(path, path.empty() ? "" : ".", field.name()), changes);
    } else if (oneof->field(0) == &field) {
      CompareOneof(before, after, *oneof, path, changes);
    }
  }
}

}  // namespace

absl::StatusOr<v1::JobSpec> ApplyFix(const v1::JobSpec& spec, const v1::Fix& fix) {
  if (fix.mask().paths().empty()) {
    return absl::FailedPreconditionError(
        fix.words().empty() ? "this finding suggests nothing"
                            : absl::StrCat("what helps is no change that a program can make: ", fix.words()));
  }
  v1::JobSpec fixed = spec;
  for (const std::string& path : fix.mask().paths()) {
    absl::Status status = Replace(absl::StrSplit(path, '.'), 0, fix.patch(), fixed);
    if (!status.ok()) return status;
  }
  return fixed;
}

std::vector<FieldChange> ChangesBetween(const Message& before, const Message& after) {
  std::vector<FieldChange> changes;
  Compare(before, after, "", changes);
  return changes;
}

std::optional<std::string> ReadAtStart(const google::protobuf::FieldMask& mask) {
  for (const std::string& path : mask.paths()) {
    const bool goes_on = std::any_of(std::begin(kGoesOn), std::end(kGoesOn), [&](const char* known) {
      return path == known || absl::StartsWith(path, absl::StrCat(known, "."));
    });
    if (!goes_on) return path;
  }
  return std::nullopt;
}

}  // namespace traind::client
