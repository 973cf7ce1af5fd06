#include "absl/strings/str_cat.h"
#include "core/onnx/forms.h"

namespace traind::core::onnx {
namespace {

// One transform, where it goes, and what it reads.
struct TransformParts {
  GraphWriter& graph;
  const v1::Preprocessing& config;
  const Safetensors* learned;
  std::string prefix;  // Of its tensors: "preprocessing.0.".
  std::string x;
  Shape& shape;

  std::string Learned(absl::string_view name) const { return graph.Stored(*learned, absl::StrCat(prefix, name)); }
  // A constant of each channel or of each value, as it goes with the examples.
  std::string Fitting(const std::string& constant, const Shape& of) const {
    return of.size() < shape.size() ? graph.PerChannel(constant, shape) : constant;
  }
  absl::StatusOr<Tensor> Values(absl::string_view name) const {
    const std::string stored = absl::StrCat(prefix, name);
    if (learned != nullptr && learned->Find(stored) != nullptr) return learned->Load(stored);
    return absl::DataLossError(absl::StrCat("the model has no ", stored));
  }
};

std::string AffineScale(const TransformParts& parts) {
  const v1::Scale& config = parts.config.scale();
  const std::string x = parts.graph.Op("Mul", {parts.x, parts.graph.Number(config.factor())});
  return config.offset() == 0 ? x : parts.graph.Op("Add", {x, parts.graph.Number(config.offset())});
}

absl::StatusOr<std::string> Centre(const TransformParts& parts) {
  const auto mean = parts.Values("mean");
  if (!mean.ok()) return mean.status();
  return parts.graph.Op("Sub", {parts.x, parts.Fitting(parts.Learned("mean"), mean->shape)});
}

absl::StatusOr<std::string> Standardize(const TransformParts& parts) {
  const auto centred = Centre(parts);
  if (!centred.ok()) return centred.status();
  auto std = parts.Values("std");
  if (!std.ok()) return std.status();
  const auto epsilon = static_cast<float>(parts.config.standardize().epsilon());
  for (float& value : std->values) value = value <= epsilon ? 1.0f : 1.0f / value;
  const std::string inverse = parts.graph.Floats("inverse", std->shape, std->values);
  return parts.graph.Op("Mul", {*centred, parts.Fitting(inverse, std->shape)});
}

// The rows of the matrix `name` are the new axes.
absl::StatusOr<std::string> Rotate(const TransformParts& parts, absl::string_view name, bool keeps_shape) {
  const auto centred = Centre(parts);
  if (!centred.ok()) return centred.status();
  const auto matrix = parts.Values(name);
  if (!matrix.ok()) return matrix.status();
  const std::string flat = parts.graph.Op("Flatten", {*centred}, {{"axis", int64_t{1}}});
  const std::string y = parts.graph.Op("Gemm", {flat, parts.Learned(name)}, {{"transB", int64_t{1}}});
  if (keeps_shape) return parts.shape.size() > 1 ? parts.graph.Reshape(y, parts.shape) : y;
  parts.shape = {matrix->shape[0]};
  return y;
}

absl::StatusOr<std::string> Transformed(const TransformParts& parts) {
  switch (parts.config.kind_case()) {
    case v1::Preprocessing::kScale:
      return AffineScale(parts);
    case v1::Preprocessing::kZeroMean:
      return Centre(parts);
    case v1::Preprocessing::kStandardize:
      return Standardize(parts);
    case v1::Preprocessing::kPca:
      return Rotate(parts, "components", /*keeps_shape=*/false);
    case v1::Preprocessing::kWhiten:
      return Rotate(parts, "matrix", parts.config.whiten().form() != v1::Whiten::FORM_PCA);
    case v1::Preprocessing::KIND_NOT_SET:
      break;
  }
  return absl::UnimplementedError(absl::StrCat("ONNX has no form of the transform ", parts.prefix));
}

}  // namespace

absl::StatusOr<std::string> Preprocess(GraphWriter& graph,
                                       const google::protobuf::RepeatedPtrField<v1::Preprocessing>& transforms,
                                       const Safetensors* learned, std::string x, Shape& shape) {
  for (int i = 0; i < transforms.size(); ++i) {
    const std::string name = absl::StrCat("preprocessing.", i);
    graph.Begin(name);
    auto y = Transformed({.graph = graph,
                          .config = transforms[i],
                          .learned = learned,
                          .prefix = name + ".",
                          .x = std::move(x),
                          .shape = shape});
    if (!y.ok()) return y.status();
    x = *std::move(y);
  }
  return x;
}

}  // namespace traind::core::onnx
