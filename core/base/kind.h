// Which component a message of a configuration holds. Messages that hold one have a `oneof kind` with a field for each
// kind, and may have `google.protobuf.Any extension` among them: a component that a program was linked with and that no
// .proto of ours knows. Pure; thread-safe.
#pragma once

#include <string>

#include "core/base/errors.h"
#include "google/protobuf/any.pb.h"
#include "google/protobuf/message.h"

namespace traind::core {

// The field of the branch that is set; null when none is.
const google::protobuf::FieldDescriptor* KindField(const google::protobuf::Message& holder);

// The name of the kind: the field's, "conv2d", or the full name of an extension's message; empty when none is set.
std::string KindName(const google::protobuf::Message& holder);

// The scope of the branch that is set, in the scope of the holder.
FieldErrors AtKind(const google::protobuf::Message& holder, const FieldErrors& errors);

bool IsExtension(const google::protobuf::FieldDescriptor& field);
// The full name of the message in it: what follows the last '/' of its type URL.
std::string ExtensionName(const google::protobuf::Any& extension);

}  // namespace traind::core
