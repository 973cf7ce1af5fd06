#include "proto/commented.h"

#include <google/protobuf/descriptor.pb.h>

#include <sstream>

// Made by proto/embed.cmake.
extern const unsigned char kDescriptorSet[];
extern const unsigned long kDescriptorSetSize;

namespace traind {
namespace {

template <class Described>
std::string InOneLine(const Described& described) {
  google::protobuf::SourceLocation location;
  if (!described.GetSourceLocation(&location)) return "";
  const std::string& text = location.trailing_comments.empty() ? location.leading_comments : location.trailing_comments;
  std::istringstream words(text);
  std::string line;
  for (std::string word; words >> word;) line += (line.empty() ? "" : " ") + word;
  return line;
}

}  // namespace

const google::protobuf::DescriptorPool& CommentedFiles() {
  static const google::protobuf::DescriptorPool* const kPool = [] {
    auto* pool = new google::protobuf::DescriptorPool;
    google::protobuf::FileDescriptorSet files;
    files.ParseFromArray(kDescriptorSet, static_cast<int>(kDescriptorSetSize));
    for (const auto& file : files.file()) pool->BuildFile(file);  // In the order of their imports.
    return pool;
  }();
  return *kPool;
}

std::string CommentOf(const google::protobuf::Descriptor& message) { return InOneLine(message); }
std::string CommentOf(const google::protobuf::FieldDescriptor& field) { return InOneLine(field); }
std::string CommentOf(const google::protobuf::EnumValueDescriptor& value) { return InOneLine(value); }

}  // namespace traind
