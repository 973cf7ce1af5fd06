#include "core/data/preprocessing/preprocessor.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"
#include "core/base/vectorize.h"

namespace traind::core {
namespace {

constexpr int kMaxTransforms = 16;

TRAIND_VECTORIZED void ToFloat(const uint8_t* x, int64_t n, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = static_cast<float>(x[i]);
}

std::string ParameterName(size_t transform, const std::string& name) {
  return absl::StrCat("preprocessing.", transform, ".", name);
}

const void* ExampleOf(const Split& split, int64_t index) {
  const int64_t begin = index * split.example_elements();
  if (split.element_type() == v1::UINT8) return split.uint8_examples() + begin;
  return split.float_examples() + begin;
}

bool AllFinite(const std::vector<float>& values) {
  return std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); });
}

}  // namespace

Preprocessor Preprocessor::Create(Config* config, const Shape* example_shape, const FieldErrors& errors) {
  Preprocessor preprocessor;
  if (example_shape != nullptr) {
    preprocessor.shape_ = *example_shape;
    preprocessor.elements_ = Elements(*example_shape);
  }
  if (config->size() > kMaxTransforms) {
    errors.At("preprocessing").Add(absl::StrCat("at most ", kMaxTransforms, " transforms"));
    return preprocessor;
  }
  for (int i = 0; i < config->size(); ++i) {
    const FieldErrors field = errors.At("preprocessing", i);
    std::unique_ptr<Transform> transform = Registry<Transform>::Get().Create(*config->Mutable(i), field);
    if (transform == nullptr) continue;
    if (example_shape != nullptr) {
      const auto* kind = (*config)[i].GetReflection()->GetOneofFieldDescriptor(
          (*config)[i], v1::Preprocessing::descriptor()->FindOneofByName("kind"));
      transform->SetShape(*example_shape, field.At(kind->name()));
    }
    preprocessor.transforms_.push_back(std::move(transform));
  }
  return preprocessor;
}

absl::Status Preprocessor::Fit(const Split& split, const Views* views) {
  const Shape& shape = views != nullptr ? views->input() : split.example_shape();
  if (shape != shape_) {
    return absl::DataLossError(
        absl::StrCat("the examples have the shape ", ToString(shape), ", not ", ToString(shape_)));
  }
  std::vector<float> buffer(static_cast<size_t>(elements_));
  // The example itself, or its first look in `pixels`.
  std::vector<float> pixels(views != nullptr && !views->plain() ? static_cast<size_t>(elements_) : 0);
  Resampler resampler;
  const auto example = [&](int64_t index) -> const void* {
    if (pixels.empty()) return ExampleOf(split, index);
    const Image looked{split.element_type(), shape[0], shape[1], shape[2], pixels.data()};
    views->Apply(0, ImageOf(split, index), resampler, looked);
    return pixels.data();
  };
  for (size_t i = 0; i < transforms_.size(); ++i) {
    if (!transforms_[i]->needs_fit()) continue;
    transforms_[i]->Fit({.count = split.size(), .for_each = [&](const std::function<void(const float*)>& visit) {
                           for (int64_t index = 0; index < split.size(); ++index) {
                             ApplyFirst(i, split.element_type(), example(index), buffer.data());
                             visit(buffer.data());
                           }
                         }});
    for (const Tensor& parameter : transforms_[i]->parameters()) {
      if (AllFinite(parameter.values)) continue;
      return absl::InvalidArgumentError(
          absl::StrCat(ParameterName(i, parameter.name), " is not finite: the examples are too large for float32"));
    }
  }
  return absl::OkStatus();
}

std::vector<Tensor> Preprocessor::parameters() const {
  std::vector<Tensor> all;
  for (size_t i = 0; i < transforms_.size(); ++i) {
    for (Tensor& parameter : transforms_[i]->parameters()) {
      parameter.name = ParameterName(i, parameter.name);
      all.push_back(std::move(parameter));
    }
  }
  return all;
}

absl::Status Preprocessor::Load(absl::Span<const Tensor> parameters) {
  for (size_t i = 0; i < transforms_.size(); ++i) {
    std::vector<Tensor> own;
    for (const Tensor& wanted : transforms_[i]->parameter_shapes()) {
      const std::string name = ParameterName(i, wanted.name);
      auto found =
          std::find_if(parameters.begin(), parameters.end(), [&](const Tensor& tensor) { return tensor.name == name; });
      if (found == parameters.end()) return absl::DataLossError(absl::StrCat(name, " is missing"));
      if (found->shape != wanted.shape || static_cast<int64_t>(found->values.size()) != Elements(wanted.shape)) {
        return absl::DataLossError(
            absl::StrCat(name, " has the shape ", ToString(found->shape), ", not ", ToString(wanted.shape)));
      }
      if (!AllFinite(found->values)) return absl::DataLossError(absl::StrCat(name, " is not finite"));
      own.push_back(*found);
    }
    transforms_[i]->SetParameters(own);
  }
  return absl::OkStatus();
}

void Preprocessor::Apply(const uint8_t* example, float* out) const {
  ToFloat(example, elements_, out);
  for (const auto& transform : transforms_) transform->Apply(out);
}

void Preprocessor::Apply(const float* example, float* out) const {
  std::memcpy(out, example, static_cast<size_t>(elements_) * sizeof(float));
  for (const auto& transform : transforms_) transform->Apply(out);
}

void Preprocessor::Apply(const Image& image, float* out) const {
  ApplyFirst(transforms_.size(), image.type, image.data, out);
}

void Preprocessor::Apply(const Split& split, int64_t index, float* out) const {
  ApplyFirst(transforms_.size(), split.element_type(), ExampleOf(split, index), out);
}

void Preprocessor::ApplyFirst(size_t count, v1::ElementType type, const void* example, float* out) const {
  if (type == v1::UINT8) {
    ToFloat(static_cast<const uint8_t*>(example), elements_, out);
  } else {
    std::memcpy(out, example, static_cast<size_t>(elements_) * sizeof(float));
  }
  for (size_t i = 0; i < count; ++i) transforms_[i]->Apply(out);
}

}  // namespace traind::core
