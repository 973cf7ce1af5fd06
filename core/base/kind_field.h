// Where the violations of a component belong whose config is one branch of a oneof `kind`.
#pragma once

#include "core/base/errors.h"
#include "google/protobuf/message.h"

namespace traind::core {

// The branch that is set in `holder`, whose own scope `errors` is.
inline FieldErrors AtKind(const google::protobuf::Message& holder, const FieldErrors& errors) {
  const auto* kinds = holder.GetDescriptor()->FindOneofByName("kind");
  return errors.At(holder.GetReflection()->GetOneofFieldDescriptor(holder, kinds)->name());
}

}  // namespace traind::core
