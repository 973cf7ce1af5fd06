#include "client/field_path.h"

#include <charconv>
#include <limits>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "client/parse_text.h"
#include "client/suggest.h"

namespace traind::client {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// Blocks nest 8 deep (core/graph), about 30 characters each: four times what a job needs.
constexpr size_t kMaxPathBytes = 1024;

template <class... Parts>
absl::Status Fault(const Parts&... parts) {
  return absl::InvalidArgumentError(absl::StrCat(parts...));
}

// Reads a path from left to right.
class PathReader {
 public:
  explicit PathReader(absl::string_view path) : path_(path) {}

  absl::StatusOr<std::vector<FieldStep>> Read() {
    std::vector<FieldStep> steps;
    while (true) {
      FieldStep step;
      if (absl::Status status = ReadField(step); !status.ok()) return status;
      if (absl::Status status = ReadElement(step); !status.ok()) return status;
      steps.push_back(std::move(step));
      if (at_ == path_.size()) return steps;
      if (path_[at_] != '.') return Here("\".\" or the end must come here");
      ++at_;
    }
  }

 private:
  absl::Status Here(absl::string_view what) const {
    return Fault("character ", at_ + 1, " of \"", absl::CHexEscape(path_), "\": ", what);
  }

  absl::Status ReadField(FieldStep& step) {
    const size_t begin = at_;
    while (at_ < path_.size() && (absl::ascii_isalnum(static_cast<unsigned char>(path_[at_])) || path_[at_] == '_')) {
      ++at_;
    }
    step.field = std::string(path_.substr(begin, at_ - begin));
    return step.field.empty() ? Here("the name of a field must come here") : absl::OkStatus();
  }

  absl::Status ReadElement(FieldStep& step) {
    if (at_ == path_.size() || path_[at_] != '[') return absl::OkStatus();
    const bool quoted = path_.substr(at_ + 1, 1) == "\"";
    const size_t begin = at_ + (quoted ? 2 : 1);
    const absl::string_view closing = quoted ? "\"]" : "]";
    const size_t end = path_.find(closing, begin);
    if (end == path_.npos) return Here(absl::StrCat("this [ has no ", closing));
    const absl::string_view text = path_.substr(begin, end - begin);
    if (text.empty()) return Here("an index or a name must stand in []");
    if (quoted || text.find_first_not_of("-0123456789") != text.npos) {
      step.name = std::string(text);
    } else {
      int index = 0;
      const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), index);
      if (error != std::errc() || rest != text.data() + text.size() || index < 0) {
        return Here(absl::StrCat("an index is a number from 0 to ", std::numeric_limits<int>::max()));
      }
      step.index = index;
    }
    at_ = end + closing.size();
    return absl::OkStatus();
  }

  const absl::string_view path_;
  size_t at_ = 0;
};

// The element whose field `name` is this.
std::optional<int> FindByName(const Message& message, const FieldDescriptor& field, const std::string& wanted,
                              std::vector<std::string>& names) {
  const Reflection& reflection = *message.GetReflection();
  const FieldDescriptor* name = field.message_type() ? field.message_type()->FindFieldByName("name") : nullptr;
  if (name == nullptr || name->is_repeated() || name->cpp_type() != FieldDescriptor::CPPTYPE_STRING) {
    return std::nullopt;
  }
  for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
    const Message& element = reflection.GetRepeatedMessage(message, &field, i);
    names.push_back(element.GetReflection()->GetString(element, name));
    if (names.back() == wanted) return i;
  }
  return std::nullopt;
}

bool IsDuration(const FieldDescriptor& field) {
  return field.message_type() != nullptr && field.message_type()->full_name() == "google.protobuf.Duration";
}

// "{ seconds: 90 nanos: 0 }"; empty when the value is no duration that a message can hold.
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
class Walk {
 public:
  explicit Walk(Message& message) : message_(&message) {}

  // Goes on into the message that the step leads to, and makes it where it is missing.
  absl::Status Enter(const FieldStep& step) {
    absl::StatusOr<Target> target = Find(step);
    if (!target.ok()) return target.status();
    const FieldDescriptor* field = target->field;
    const Reflection& reflection = *message_->GetReflection();
    if (field->message_type() == nullptr) return Fault(path_, " has no fields of its own");
    if (field->is_map()) return Fault(path_, " is a map, which can be set as a whole only");
    if (!field->is_repeated()) {
      message_ = reflection.MutableMessage(message_, field);
    } else if (!target->index) {
      return Fault(path_, " has ", target->size, " elements; choose one by index from 0, or by name");
    } else if (*target->index == target->size) {
      message_ = reflection.AddMessage(message_, field);
    } else {
      message_ = reflection.MutableRepeatedMessage(message_, field, *target->index);
    }
    return absl::OkStatus();
  }

  absl::Status Assign(const FieldStep& step, absl::string_view value) {
    absl::StatusOr<Target> target = Find(step);
    if (!target.ok()) return target.status();
    const FieldDescriptor* field = target->field;
    if (value.empty()) {
      Remove(*target);
      return absl::OkStatus();
    }
    const std::unique_ptr<Message> parsed(message_->New());
    if (absl::Status status = ParseValue(*field, value, *parsed); !status.ok()) return status;
    const Reflection& reflection = *message_->GetReflection();
    if (!target->index) {
      reflection.ClearField(message_, field);
      message_->MergeFrom(*parsed);
      return absl::OkStatus();
    }
    if (reflection.FieldSize(*parsed, field) != 1) return Fault(path_, " is one element and takes one value");
    message_->MergeFrom(*parsed);  // The element is the last one now.
    if (*target->index < target->size) {
      reflection.SwapElements(message_, field, *target->index, target->size);
      reflection.RemoveLast(message_, field);
    }
    return absl::OkStatus();
  }

  const std::string& path() const { return path_; }

 private:
  struct Target {
    const FieldDescriptor* field;
    std::optional<int> index = {};  // An element; `size` is one to append.
    int size = 0;                   // Elements of a list.
  };

  // The field of the step and, where it names an element, the index. Moves path_ on.
  absl::StatusOr<Target> Find(const FieldStep& step) {
    const Descriptor& descriptor = *message_->GetDescriptor();
    const FieldDescriptor* field = descriptor.FindFieldByName(step.field);
    if (field == nullptr) {
      return Fault(path_.empty() ? descriptor.name() : path_, " has no field \"", step.field, "\"; ",
                   Known("fields", step.field, FieldNames(descriptor)));
    }
    absl::StrAppend(&path_, path_.empty() ? "" : ".", field->name());
    Target target{.field = field};
    if (field->is_repeated()) target.size = message_->GetReflection()->FieldSize(*message_, field);
    if (!step.index && !step.name) return target;
    if (!field->is_repeated() || field->is_map()) return Fault(path_, " is no list and has no elements");
    std::vector<std::string> names;
    target.index = step.index ? step.index : FindByName(*message_, *field, *step.name, names);
    if (!target.index) {
      return Fault(path_, " has ", target.size, " elements, none with the name \"", absl::CHexEscape(*step.name), "\"",
                   names.empty() ? "" : absl::StrCat("; ", Known("names", *step.name, names)));
    }
    if (*target.index > target.size) {
      return Fault(path_, " has ", target.size, " elements, counted from 0; [", target.size, "] appends one");
    }
    absl::StrAppend(&path_, "[", *target.index, "]");
    return target;
  }

  void Remove(const Target& target) {
    const Reflection& reflection = *message_->GetReflection();
    if (!target.index) return reflection.ClearField(message_, target.field);
    if (*target.index == target.size) return;
    for (int i = *target.index; i + 1 < target.size; ++i) reflection.SwapElements(message_, target.field, i, i + 1);
    reflection.RemoveLast(message_, target.field);
  }

  // Reads the value as that of the field alone into `parsed`, an empty message of the same type.
  absl::Status ParseValue(const FieldDescriptor& field, absl::string_view value, Message& parsed) const {
    const char first = value[0];
    const bool list = field.is_repeated() && first == '[';
    std::string text(value);
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_STRING && first != '"' && first != '\'' && !list) {
      text = absl::StrCat("\"", absl::CEscape(value), "\"");
    } else if (IsDuration(field) && first != '{' && first != '<') {
      text = DurationText(value);
      if (text.empty()) return Fault(path_, " must be a duration such as 90s, 1.5s or 1h30m");
    } else if (field.message_type() != nullptr && first != '{' && first != '<' && !list) {
      const std::string word(value);
      return Fault(path_, " is made of fields: write ", path_, ".FIELD=VALUE, or ", path_, "={ FIELD: VALUE }; ",
                   Known("fields", word, FieldNames(*field.message_type())));
    }
    if (const auto error = ParseText(absl::StrCat(field.name(), ": ", text), parsed)) {
      return Fault(path_, ": ", error->message);
    }
    std::vector<const FieldDescriptor*> set;
    parsed.GetReflection()->ListFields(parsed, &set);
    for (const FieldDescriptor* other : set) {
      if (other != &field) return Fault(path_, ": the value sets ", other->name(), ", too");
    }
    return absl::OkStatus();
  }

  Message* message_;
  std::string path_;
};

}  // namespace

absl::StatusOr<std::vector<FieldStep>> ParseFieldPath(absl::string_view path) {
  if (path.size() > kMaxPathBytes) return Fault("the path has more than ", kMaxPathBytes, " characters");
  return PathReader(path).Read();
}

absl::StatusOr<std::string> SetField(Message& message, absl::string_view path, absl::string_view value) {
  absl::StatusOr<std::vector<FieldStep>> steps = ParseFieldPath(path);
  if (!steps.ok()) return steps.status();
  const std::unique_ptr<Message> changed(message.New());
  changed->CopyFrom(message);
  Walk walk(*changed);
  for (size_t i = 0; i + 1 < steps->size(); ++i) {
    if (absl::Status status = walk.Enter((*steps)[i]); !status.ok()) return status;
  }
  if (absl::Status status = walk.Assign(steps->back(), value); !status.ok()) return status;
  message.GetReflection()->Swap(&message, changed.get());
  return walk.path();
}

}  // namespace traind::client
