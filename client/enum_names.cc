#include "client/enum_names.h"

#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/descriptor_database.h>
#include <google/protobuf/dynamic_message.h>

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/strip.h"

namespace traind::client {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::DescriptorPool;
using google::protobuf::DescriptorProto;
using google::protobuf::DynamicMessageFactory;
using google::protobuf::EnumDescriptorProto;
using google::protobuf::FieldDescriptorProto;
using google::protobuf::FileDescriptor;
using google::protobuf::FileDescriptorProto;

// Values live in the scope around their enum, where short names of two enums would collide: each enum moves into a
// message that has its name.
constexpr char kWrapped[] = "Values";

// `name` without the prefix of `zero`, where something with which a name can begin is left.
absl::string_view Short(absl::string_view zero, absl::string_view name) {
  absl::string_view rest = name;
  const bool cut = absl::ConsumeSuffix(&zero, "UNSPECIFIED") && absl::ConsumePrefix(&rest, zero) && !rest.empty() &&
                   absl::ascii_isalpha(static_cast<unsigned char>(rest[0]));
  return cut ? rest : name;
}

EnumDescriptorProto WithAliases(const EnumDescriptorProto& full) {
  EnumDescriptorProto result = full;
  result.set_name(kWrapped);
  result.mutable_options()->set_allow_alias(true);
  result.clear_value();
  for (const auto& value : full.value()) {
    const absl::string_view name = Short(full.value(0).name(), value.name());
    if (name != value.name()) {
      auto& alias = *result.add_value();
      alias = value;
      alias.set_name(std::string(name));
    }
    *result.add_value() = value;
  }
  return result;
}

// Wraps each enum into a message that joins `messages`.
template <class Enums, class Messages>
void Wrap(Enums& enums, Messages& messages) {
  for (const EnumDescriptorProto& full : enums) {
    DescriptorProto& wrapper = *messages.Add();
    wrapper.set_name(full.name());
    *wrapper.add_enum_type() = WithAliases(full);
  }
  enums.Clear();
}

// The fields' enums are where Wrap has put them.
template <class Fields>
void Redirect(Fields& fields) {
  for (FieldDescriptorProto& field : fields) {
    if (field.type() == FieldDescriptorProto::TYPE_ENUM) field.mutable_type_name()->append(".").append(kWrapped);
  }
}

void Rewrite(DescriptorProto& message) {
  for (DescriptorProto& nested : *message.mutable_nested_type()) Rewrite(nested);
  Redirect(*message.mutable_field());
  Redirect(*message.mutable_extension());
  Wrap(*message.mutable_enum_type(), *message.mutable_nested_type());
}

// The files that this program was linked with, rewritten when they are asked for.
class RewrittenFiles : public google::protobuf::DescriptorDatabase {
 public:
  bool FindFileByName(const std::string& name, FileDescriptorProto* output) override {
    return Give(DescriptorPool::generated_pool()->FindFileByName(name), output);
  }
  bool FindFileContainingSymbol(const std::string& symbol, FileDescriptorProto* output) override {
    return Give(DescriptorPool::generated_pool()->FindFileContainingSymbol(symbol), output);
  }
  bool FindFileContainingExtension(const std::string& extended, int number, FileDescriptorProto* output) override {
    const auto* generated = DescriptorPool::generated_pool();
    const Descriptor* message = generated->FindMessageTypeByName(extended);
    const auto* extension = message == nullptr ? nullptr : generated->FindExtensionByNumber(message, number);
    return Give(extension == nullptr ? nullptr : extension->file(), output);
  }

 private:
  static bool Give(const FileDescriptor* file, FileDescriptorProto* output) {
    if (file == nullptr) return false;
    file->CopyTo(output);
    for (DescriptorProto& message : *output->mutable_message_type()) Rewrite(message);
    Redirect(*output->mutable_extension());
    Wrap(*output->mutable_enum_type(), *output->mutable_message_type());
    return true;
  }
};

const DescriptorPool& Pool() {
  static const DescriptorPool* const kPool = new DescriptorPool(new RewrittenFiles);
  return *kPool;
}

}  // namespace

std::string EnumName(const google::protobuf::EnumValueDescriptor& value) {
  const auto* zero = value.type()->FindValueByNumber(0);
  return zero == nullptr ? value.name() : std::string(Short(zero->name(), value.name()));
}

const google::protobuf::EnumValueDescriptor* FindEnumValue(const google::protobuf::EnumDescriptor& type,
                                                           absl::string_view name) {
  for (int i = 0; i < type.value_count(); ++i) {
    if (type.value(i)->name() == name || EnumName(*type.value(i)) == name) return type.value(i);
  }
  return nullptr;
}

const Descriptor& WithShortNames(const Descriptor& message) {
  return *Pool().FindMessageTypeByName(message.full_name());
}

std::unique_ptr<google::protobuf::Message> NewMessage(const Descriptor& with_short_names) {
  static auto* const kFactory = new DynamicMessageFactory(&Pool());
  return std::unique_ptr<google::protobuf::Message>(kFactory->GetPrototype(&with_short_names)->New());
}

}  // namespace traind::client
