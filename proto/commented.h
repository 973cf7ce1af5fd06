// The .proto files as they were compiled, with the comments that generated code leaves out. Thread-safe.
#pragma once

#include <google/protobuf/descriptor.h>

#include <string>

namespace traind {

// Lives as long as the process.
const google::protobuf::DescriptorPool& CommentedFiles();

// The comment on something of that pool as one line: the one behind the declaration, or the one before it. Empty: none.
std::string CommentOf(const google::protobuf::Descriptor& message);
std::string CommentOf(const google::protobuf::FieldDescriptor& field);
std::string CommentOf(const google::protobuf::EnumValueDescriptor& value);

}  // namespace traind
