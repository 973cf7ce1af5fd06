#include "core/catalogue/components.h"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "core/base/enum_name.h"
#include "core/base/registry.h"
#include "core/data_initialization/data_initializer.h"
#include "core/insight/rule.h"
#include "core/kinds/activation.h"
#include "core/kinds/augmentation.h"
#include "core/kinds/block.h"
#include "core/kinds/initializer.h"
#include "core/kinds/layer.h"
#include "core/kinds/loss.h"
#include "core/kinds/optimizer.h"
#include "core/kinds/preset.h"
#include "core/kinds/regularizer.h"
#include "core/kinds/transform.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/descriptor.pb.h"
#include "proto/commented.h"
#include "traind/v1/job.pb.h"

namespace traind::core {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

std::string TypeName(const FieldDescriptor& field) {
  if (field.is_map()) {
    return absl::StrCat("map of ", TypeName(*field.message_type()->map_key()), " to ",
                        TypeName(*field.message_type()->map_value()));
  }
  std::string type = field.type_name();
  if (field.message_type() != nullptr) type = field.message_type()->name();
  if (field.enum_type() != nullptr) type = field.enum_type()->name();
  return absl::StrCat(field.is_repeated() ? "repeated " : "", type);
}

// The comment; for an enum also the names to choose from, with theirs.
std::string Summary(const FieldDescriptor& field) {
  std::string summary = CommentOf(field);
  if (field.enum_type() == nullptr) return summary;
  std::vector<std::string> values;
  for (int i = 0; i < field.enum_type()->value_count(); ++i) {
    const auto& value = *field.enum_type()->value(i);
    const std::string comment = CommentOf(value);
    values.push_back(comment.empty() ? EnumName(value) : absl::StrCat(EnumName(value), " (", comment, ")"));
  }
  return absl::StrCat(summary, summary.empty() ? "" : " ", "One of: ", absl::StrJoin(values, "; "));
}

void Fill(const FieldDescriptor& from, v1::Component::Field* field) {
  field->set_name(from.name());
  field->set_type(TypeName(from));
  field->set_summary(Summary(from));
}

v1::Component& AddComponent(const std::string& category, const std::string& name, const Descriptor& message,
                            const std::string& summary, v1::ListComponentsResponse& response) {
  v1::Component& component = *response.add_components();
  component.set_category(category);
  component.set_name(name);
  component.set_message(message.full_name());
  component.set_summary(summary);
  // An extension's message is in no .proto of ours, so that its comments are not known.
  const Descriptor* commented = CommentedFiles().FindMessageTypeByName(message.full_name());
  const Descriptor& described = commented == nullptr ? message : *commented;
  component.set_description(CommentOf(described));
  for (int i = 0; i < described.field_count(); ++i) Fill(*described.field(i), component.add_fields());
  return component;
}

// With `beside`, what the holder says of each of its kinds is listed, too.
template <class Interface>
void AddCategory(const std::string& category, const Descriptor& holder, v1::ListComponentsResponse& response,
                 bool beside = false) {
  const Descriptor& commented = *CommentedFiles().FindMessageTypeByName(holder.full_name());
  auto extensions = Registry<Interface>::Get().entries();  // Those that the holder has no field for.
  const auto* kinds = holder.FindOneofByName("kind");
  for (int i = 0; i < kinds->field_count(); ++i) {
    const FieldDescriptor& branch = *kinds->field(i);
    const auto entry = extensions.find(branch.message_type()->full_name());
    if (entry == extensions.end()) continue;
    v1::Component& component =
        AddComponent(category, branch.name(), *branch.message_type(), entry->second.summary, response);
    for (int k = 0; beside && k < commented.field_count(); ++k) {
      const FieldDescriptor& field = *commented.field(k);
      if (field.real_containing_oneof() == nullptr) Fill(field, component.add_beside());
    }
    extensions.erase(entry);
  }
  for (const auto& [name, entry] : extensions) {
    AddComponent(category, name, *entry.config->GetDescriptor(), entry.summary, response);
  }
}

// "DataSpec" is "data" in a job file, "EarlyStopping" is "early_stopping".
std::string PartName(const Descriptor& message) {
  std::string name;
  for (const char c : absl::StripSuffix(message.name(), "Spec")) {
    const bool upper = absl::ascii_isupper(static_cast<unsigned char>(c));
    if (upper && !name.empty()) name += '_';
    name += absl::ascii_tolower(static_cast<unsigned char>(c));
  }
  return name;
}

// The message and those of its fields, in the order of the .proto files, as far as they are ours and not in `seen`.
// `comment` stands for a message that has none: that of the field which leads to it.
void AddPart(const Descriptor& message, const std::string& comment, std::set<std::string>& seen,
             v1::ListComponentsResponse& response) {
  if (message.file()->package() != v1::JobSpec::descriptor()->file()->package()) return;
  if (message.options().map_entry() || !seen.insert(message.full_name()).second) return;
  const std::string own = CommentOf(message);
  // What is one of several kinds is listed among them.
  const auto& listed = response.components();
  const bool is_kind = std::any_of(listed.begin(), listed.end(), [&](const v1::Component& component) {
    return component.message() == message.full_name();
  });
  if (!is_kind) AddComponent("part of a job", PartName(message), message, own.empty() ? comment : own, response);
  for (int i = 0; i < message.field_count(); ++i) {
    const FieldDescriptor& field = *message.field(i);
    if (field.message_type() != nullptr) AddPart(*field.message_type(), CommentOf(field), seen, response);
  }
}

// Everything else that a job file can hold.
void AddParts(v1::ListComponentsResponse& response) {
  std::set<std::string> seen;
  AddPart(*CommentedFiles().FindMessageTypeByName(v1::JobSpec::descriptor()->full_name()), "", seen, response);
}

}  // namespace

v1::ListComponentsResponse ListComponents() {
  v1::ListComponentsResponse response;
  AddCategory<Layer>("layer", *v1::Layer::descriptor(), response);
  AddCategory<Block>("block", *v1::Block::descriptor(), response);
  AddCategory<Preset>("preset", *v1::Preset::descriptor(), response);
  AddCategory<Activation>("activation", *v1::Activation::descriptor(), response);
  AddCategory<Initializer>("initializer", *v1::Initializer::descriptor(), response);
  AddCategory<Regularizer>("regularizer", *v1::Regularizer::descriptor(), response, /*beside=*/true);
  AddCategory<Loss>("loss", *v1::Loss::descriptor(), response);
  AddCategory<Optimizer>("optimizer", *v1::Optimizer::descriptor(), response);
  AddCategory<Schedule>("schedule", *v1::Schedule::descriptor(), response, /*beside=*/true);
  AddCategory<Transform>("preprocessing", *v1::Preprocessing::descriptor(), response);
  AddCategory<Augmentation>("augmentation", *v1::Augmentation::descriptor(), response, /*beside=*/true);
  AddCategory<DataInitializer>("data_initialization", *v1::DataInitialization::descriptor(), response, /*beside=*/true);
  AddCategory<Rule>("rule", *v1::Rule::descriptor(), response);
  AddParts(response);
  return response;
}

}  // namespace traind::core
