#include "core/onnx/graph_writer.h"

#include "absl/strings/str_cat.h"

namespace traind::core::onnx {
namespace {

// The bytes of numbers in this machine's order, which is ONNX's, too.
template <class T>
absl::string_view BytesOf(absl::Span<const T> values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

}  // namespace

GraphWriter::Attribute::Attribute(absl::string_view name, double value) {
  message_.set_name(std::string(name));
  message_.set_type(1);
  message_.set_f(static_cast<float>(value));
}

GraphWriter::Attribute::Attribute(absl::string_view name, int64_t value) {
  message_.set_name(std::string(name));
  message_.set_type(2);
  message_.set_i(value);
}

GraphWriter::Attribute::Attribute(absl::string_view name, absl::Span<const int64_t> values) {
  message_.set_name(std::string(name));
  message_.set_type(7);
  message_.mutable_ints()->Assign(values.begin(), values.end());
}

void GraphWriter::Begin(absl::string_view name) {
  layer_ = std::string(name);
  made_ = 0;
}

std::string GraphWriter::NameFor(absl::string_view what) { return absl::StrCat(layer_, "/", what, "_", made_++); }

std::string GraphWriter::Op(absl::string_view type, std::vector<std::string> inputs,
                            const std::vector<Attribute>& attributes) {
  std::string output = NameFor(type);
  OpTo(output, type, std::move(inputs));
  for (const Attribute& attribute : attributes) {
    *graph_.mutable_node(graph_.node_size() - 1)->add_attribute() = attribute.message();
  }
  return output;
}

void GraphWriter::OpTo(absl::string_view output, absl::string_view type, std::vector<std::string> inputs) {
  internal::OnnxNode& node = *graph_.add_node();
  node.set_name(std::string(output));
  node.set_op_type(std::string(type));
  for (std::string& input : inputs) node.add_input(std::move(input));
  node.add_output(std::string(output));
}

std::string GraphWriter::Number(double value) {
  const auto number = static_cast<float>(value);
  return Floats("number", {}, absl::MakeConstSpan(&number, 1));
}

std::string GraphWriter::Floats(absl::string_view name, const Shape& shape, absl::Span<const float> values) {
  internal::OnnxTensor& tensor = *graph_.add_initializer();
  tensor.set_name(NameFor(name));
  tensor.set_data_type(kFloat);
  tensor.mutable_dims()->Assign(shape.begin(), shape.end());
  tensor.set_raw_data(std::string(BytesOf(values)));
  return tensor.name();
}

std::string GraphWriter::Ints(absl::string_view name, const std::vector<int64_t>& values) {
  internal::OnnxTensor& tensor = *graph_.add_initializer();
  tensor.set_name(NameFor(name));
  tensor.set_data_type(kInt64);
  tensor.add_dims(static_cast<int64_t>(values.size()));
  tensor.set_raw_data(std::string(BytesOf(absl::MakeConstSpan(values))));
  return tensor.name();
}

std::string GraphWriter::Stored(const Safetensors& file, absl::string_view name) {
  const Safetensors::Entry* entry = file.Find(name);
  if (entry == nullptr || !names_.insert(std::string(name)).second) return std::string(name);
  internal::OnnxTensor head;
  head.set_name(std::string(name));
  head.set_data_type(kFloat);
  head.mutable_dims()->Assign(entry->shape.begin(), entry->shape.end());
  if (entry->type == Safetensors::Type::kFloat32) {
    stored_.push_back({.head = std::move(head), .bytes = file.Bytes(*entry)});
    return std::string(name);
  }
  std::vector<float> values(static_cast<size_t>(Elements(entry->shape)));
  file.Read(*entry, absl::MakeSpan(values));
  head.set_raw_data(std::string(BytesOf(absl::MakeConstSpan(values))));
  *graph_.add_initializer() = std::move(head);
  return std::string(name);
}

std::string GraphWriter::Reshape(const std::string& x, const Shape& example) {
  std::vector<int64_t> shape = {0};  // As it is.
  shape.insert(shape.end(), example.begin(), example.end());
  return Op("Reshape", {x, Ints("shape", shape)});
}

std::string GraphWriter::PerChannel(const std::string& constant, const Shape& example) {
  if (example.size() < 2) return constant;
  std::vector<int64_t> axes;
  for (size_t axis = 1; axis < example.size(); ++axis) axes.push_back(static_cast<int64_t>(axis));
  return Op("Unsqueeze", {constant, Ints("axes", axes)});
}

}  // namespace traind::core::onnx
