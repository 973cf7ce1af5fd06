#include "core/base/kind.h"

namespace traind::core {

using google::protobuf::Any;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

const FieldDescriptor* KindField(const Message& holder) {
  return holder.GetReflection()->GetOneofFieldDescriptor(holder, holder.GetDescriptor()->FindOneofByName("kind"));
}

std::string KindName(const Message& holder) {
  const FieldDescriptor* field = KindField(holder);
  if (field == nullptr) return "";
  if (!IsExtension(*field)) return field->name();
  return ExtensionName(static_cast<const Any&>(holder.GetReflection()->GetMessage(holder, field)));
}

FieldErrors AtKind(const Message& holder, const FieldErrors& errors) { return errors.At(KindField(holder)->name()); }

bool IsExtension(const FieldDescriptor& field) { return field.message_type() == Any::descriptor(); }

std::string ExtensionName(const Any& extension) {
  return extension.type_url().substr(extension.type_url().rfind('/') + 1);
}

}  // namespace traind::core
