#include "core/job/check_values.h"

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/enum_name.h"
#include "core/base/kind.h"
#include "google/protobuf/descriptor.h"

namespace traind::core {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

std::string KnownNames(const google::protobuf::EnumDescriptor& type) {
  std::vector<std::string> names;
  for (int i = 0; i < type.value_count(); ++i) {
    if (type.value(i)->number() != 0) names.push_back(EnumName(*type.value(i)));
  }
  return absl::StrJoin(names, ", ");
}

// Whether a single value may stand. (Configurations hold no repeated floating-point numbers;
// their one list of enums, Regularizer.groups, is checked where it is resolved.)
bool IsSound(const Message& message, const FieldDescriptor& field, const FieldErrors& errors) {
  const auto& reflection = *message.GetReflection();
  double number = 0;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_DOUBLE:
      number = reflection.GetDouble(message, &field);
      break;
    case FieldDescriptor::CPPTYPE_FLOAT:
      number = reflection.GetFloat(message, &field);
      break;
    case FieldDescriptor::CPPTYPE_ENUM: {
      const int value = reflection.GetEnumValue(message, &field);
      if (field.enum_type()->FindValueByNumber(value) != nullptr) return true;
      errors.Add(absl::StrCat("has no value ", value, " in this build; known: ", KnownNames(*field.enum_type())));
      return false;
    }
    default:
      return true;
  }
  if (std::isfinite(number)) return true;
  errors.Add(absl::StrCat("must be a finite number, not ", number));
  return false;
}

// Looks into a message that this program was linked with; the registry says what is wrong with any other.
void CheckExtension(google::protobuf::Any& extension, const FieldErrors& errors) {
  const auto* type =
      google::protobuf::DescriptorPool::generated_pool()->FindMessageTypeByName(ExtensionName(extension));
  if (type == nullptr) return;
  const std::unique_ptr<Message> config(
      google::protobuf::MessageFactory::generated_factory()->GetPrototype(type)->New());
  if (!extension.UnpackTo(config.get())) return;
  const int before = errors.count();
  CheckValues(*config, errors);
  if (errors.count() > before) extension.PackFrom(*config);
}

}  // namespace

void CheckValues(Message& message, const FieldErrors& errors) {
  if (message.GetDescriptor() == google::protobuf::Any::descriptor()) {
    return CheckExtension(static_cast<google::protobuf::Any&>(message), errors);
  }
  const auto& reflection = *message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    const bool is_message = field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
    if (is_message && field->is_repeated()) {
      for (int i = 0; i < reflection.FieldSize(message, field); ++i) {
        CheckValues(*reflection.MutableRepeatedMessage(&message, field, i), errors.At(field->name(), i));
      }
    } else if (is_message) {
      CheckValues(*reflection.MutableMessage(&message, field), errors.At(field->name()));
    } else if (!field->is_repeated() && !IsSound(message, *field, errors.At(field->name()))) {
      reflection.ClearField(&message, field);
    }
  }
}

}  // namespace traind::core
