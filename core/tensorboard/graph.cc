#include "core/tensorboard/graph.h"

#include <google/protobuf/message.h>

#include <vector>

#include "absl/strings/str_cat.h"

namespace traind::tensorboard {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using google::protobuf::Value;

constexpr size_t kMostSettings = 200;
constexpr char kInput[] = "input";

// A scalar field as a value of JSON.
Value ScalarValue(const Message& message, const FieldDescriptor& field) {
  const Reflection& of = *message.GetReflection();
  Value value;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      value.set_number_value(of.GetInt32(message, &field));
      break;
    case FieldDescriptor::CPPTYPE_UINT32:
      value.set_number_value(of.GetUInt32(message, &field));
      break;
    case FieldDescriptor::CPPTYPE_INT64:
      value.set_number_value(static_cast<double>(of.GetInt64(message, &field)));
      break;
    case FieldDescriptor::CPPTYPE_UINT64:
      value.set_number_value(static_cast<double>(of.GetUInt64(message, &field)));
      break;
    case FieldDescriptor::CPPTYPE_DOUBLE:
      value.set_number_value(of.GetDouble(message, &field));
      break;
    case FieldDescriptor::CPPTYPE_FLOAT:
      value.set_number_value(of.GetFloat(message, &field));
      break;
    case FieldDescriptor::CPPTYPE_BOOL:
      value.set_bool_value(of.GetBool(message, &field));
      break;
    case FieldDescriptor::CPPTYPE_ENUM: {
      const auto* known = field.enum_type()->FindValueByNumber(of.GetEnumValue(message, &field));
      value.set_string_value(known == nullptr ? absl::StrCat(of.GetEnumValue(message, &field)) : known->name());
      break;
    }
    case FieldDescriptor::CPPTYPE_STRING:
      value.set_string_value(of.GetString(message, &field));
      break;
    case FieldDescriptor::CPPTYPE_MESSAGE:
      break;
  }
  return value;
}

void Walk(const Message& message, const std::string& path, google::protobuf::Map<std::string, Value>& settings) {
  std::vector<const FieldDescriptor*> fields;
  message.GetReflection()->ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (field->is_repeated() || settings.size() >= kMostSettings) continue;
    const std::string name = absl::StrCat(path, path.empty() ? "" : ".", field->name());
    if (field->message_type() == nullptr) {
      settings[name] = ScalarValue(message, *field);
      continue;
    }
    if (const auto* oneof = field->real_containing_oneof()) {
      settings[absl::StrCat(path, path.empty() ? "" : ".", oneof->name())].set_string_value(field->name());
    }
    Walk(message.GetReflection()->GetMessage(message, field), name, settings);
  }
}

// The field of the oneof "kind" that is set; null: none.
const FieldDescriptor* KindOf(const Message& message) {
  const auto* oneof = message.GetDescriptor()->FindOneofByName("kind");
  return oneof == nullptr ? nullptr : message.GetReflection()->GetOneofFieldDescriptor(message, oneof);
}

std::string KindName(const Message& message) {
  const FieldDescriptor* kind = KindOf(message);
  return kind == nullptr ? "" : kind->name();
}

void AddAttributes(const Message& message, Graph::Node& node) {
  const Reflection& reflection = *message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (field->message_type() != nullptr) continue;
    if (field->is_repeated()) {
      if (field->cpp_type() != FieldDescriptor::CPPTYPE_UINT32) continue;
      auto& list = *(*node.mutable_attr())[field->name()].mutable_list();
      for (int i = 0; i < reflection.FieldSize(message, field); ++i) {
        list.add_i(reflection.GetRepeatedUInt32(message, field, i));
      }
      continue;
    }
    const Value value = ScalarValue(message, *field);
    Graph::Attribute& attribute = (*node.mutable_attr())[field->name()];
    if (value.has_bool_value()) {
      attribute.set_b(value.bool_value());
    } else if (value.has_string_value()) {
      attribute.set_s(value.string_value());
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_DOUBLE ||
               field->cpp_type() == FieldDescriptor::CPPTYPE_FLOAT) {
      attribute.set_f(static_cast<float>(value.number_value()));
    } else {
      attribute.set_i(static_cast<int64_t>(value.number_value()));
    }
  }
}

// A kind of layer or of block, or an activation alone.
void AddKind(const v1::Layer& layer, Graph::Node& node) {
  const Message& holder = layer.has_block() ? static_cast<const Message&>(layer.block()) : layer;
  const FieldDescriptor* kind = KindOf(holder);
  if (kind != nullptr) AddAttributes(holder.GetReflection()->GetMessage(holder, kind), node);
  const std::string activation = KindName(layer.activation());
  node.set_op(kind != nullptr ? kind->name() : activation);
  if (kind != nullptr && !activation.empty()) (*node.mutable_attr())["activation"].set_s(activation);
}

}  // namespace

void AddSettings(const v1::JobSpec& spec, google::protobuf::Map<std::string, Value>& settings) {
  Walk(spec, "", settings);
}

Graph GraphOf(const v1::Network& network) {
  Graph graph;
  Graph::Node& input = *graph.add_node();
  input.set_name(kInput);
  input.set_op("Placeholder");
  auto& shape = *(*input.mutable_attr())["shape_of_one_example"].mutable_list();
  for (const int64_t size : network.input_shape()) shape.add_i(size);
  std::string before = kInput;
  for (const v1::Layer& layer : network.layers()) {
    Graph::Node& node = *graph.add_node();
    node.set_name(layer.name());
    for (const std::string& read : layer.inputs()) node.add_input(read);
    if (layer.inputs().empty()) node.add_input(before);
    AddKind(layer, node);
    before = layer.name();
  }
  if (network.has_preset()) {
    const FieldDescriptor* kind = KindOf(network.preset());
    Graph::Node& node = *graph.add_node();
    node.set_name(kind == nullptr ? "preset" : kind->name());
    node.set_op(node.name());
    node.add_input(kInput);
    if (kind != nullptr) {
      AddAttributes(network.preset().GetReflection()->GetMessage(network.preset(), kind), node);
    }
  }
  return graph;
}

}  // namespace traind::tensorboard
