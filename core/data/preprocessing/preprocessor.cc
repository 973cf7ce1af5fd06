#include "core/data/preprocessing/preprocessor.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <new>
#include <string>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "core/base/vectorize.h"
#include "core/data/preprocessing/data_moments.h"
#include "core/data/preprocessing/principal_axes.h"

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

// The examples of a split, each by the first of `views` where it is given.
class ViewedExamples {
 public:
  ViewedExamples(const Split& split, const Views* views)
      : split_(split), views_(views != nullptr && !views->plain() ? views : nullptr) {
    if (views_ == nullptr) return;
    pixels_.resize(static_cast<size_t>(Elements(views_->input())));
    views_->Reserve(resampler_);
  }

  // Valid until the next call.
  const void* At(int64_t index) {
    if (views_ == nullptr) return ExampleOf(split_, index);
    const Shape& shape = views_->input();
    const ImageView looked{split_.element_type(), shape[0], shape[1], shape[2], pixels_.data()};
    views_->Apply(0, ImageOf(split_, index), resampler_, looked);
    return pixels_.data();
  }

 private:
  const Split& split_;
  const Views* const views_;
  std::vector<float> pixels_;  // Room for bytes, too.
  Resampler resampler_;
};

bool AllFinite(const std::vector<float>& values) {
  return std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); });
}

}  // namespace

Preprocessor Preprocessor::Create(Config* config, const Shape* example_shape, const FieldErrors& errors) {
  Preprocessor preprocessor;
  if (example_shape != nullptr) {
    preprocessor.shape_ = preprocessor.output_shape_ = *example_shape;
    preprocessor.elements_ = preprocessor.output_elements_ = Elements(*example_shape);
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
      preprocessor.output_shape_ = transform->SetShape(preprocessor.output_shape_, field.At(kind->name()));
      preprocessor.output_elements_ = Elements(preprocessor.output_shape_);
    }
    preprocessor.transforms_.push_back(std::move(transform));
  }
  return preprocessor;
}

absl::Status Preprocessor::Fit(const Split& split, const Views* views, const std::function<void()>& progress) try {
  const Shape& shape = views != nullptr ? views->input() : split.example_shape();
  if (shape != shape_) {
    return absl::DataLossError(
        absl::StrCat("the examples have the shape ", ToString(shape), ", not ", ToString(shape_)));
  }
  std::vector<float> buffer(static_cast<size_t>(elements_));
  ViewedExamples examples(split, views);
  for (size_t i = 0; i < transforms_.size(); ++i) {
    if (!transforms_[i]->needs_fit()) continue;
    transforms_[i]->Fit({.count = split.size(),
                         .for_each =
                             [&](const std::function<void(const float*)>& visit) {
                               for (int64_t index = 0; index < split.size(); ++index) {
                                 ApplyFirst(i, split.element_type(), examples.At(index), buffer.data());
                                 visit(buffer.data());
                                 if (index % 1024 == 0) progress();
                               }
                             },
                         .progress = progress});
    for (const Tensor& parameter : transforms_[i]->parameters()) {
      if (AllFinite(parameter.values)) continue;
      return absl::InvalidArgumentError(
          absl::StrCat(ParameterName(i, parameter.name), " is not finite: the examples are too large for float32"));
    }
  }
  return absl::OkStatus();
} catch (const std::bad_alloc&) {
  return absl::ResourceExhaustedError("no memory to fit the preprocessing");
} catch (const std::system_error& error) {
  return absl::ResourceExhaustedError(
      absl::StrCat("cannot start the thread that fits the preprocessing: ", error.what()));
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

v1::PreprocessingReport Preprocessor::Report(const Split& split, const Views* views,
                                             const std::function<void()>& progress) const {
  ViewedExamples examples(split, views);
  std::vector<float> buffer(static_cast<size_t>(elements_));
  const auto moments = [&](size_t transforms, int64_t features) {
    return ComputeDataMoments(split.size(), features, [&](int64_t example) {
      if (example % 256 == 0) progress();
      ApplyFirst(transforms, split.element_type(), examples.At(example), buffer.data());
      return buffer.data();
    });
  };
  v1::PreprocessingReport report;
  *report.mutable_before() = moments(0, elements_);
  *report.mutable_after() = moments(transforms_.size(), output_elements_);
  return report;
}

int64_t Preprocessor::memory_bytes() const {
  int64_t bytes = 0;
  for (const auto& transform : transforms_) bytes += transform->memory_bytes();
  return bytes;
}

// Only transforms that take at most kMaxAxes numbers make an example shorter: what they start from fits on the stack.
template <class Body>
void Preprocessor::InRoom(float* out, const Body& transform) const {
  if (output_elements_ == elements_) return transform(out);
  float room[kMaxAxes];
  transform(room);
  std::memcpy(out, room, static_cast<size_t>(output_elements_) * sizeof(float));
}

void Preprocessor::Apply(const uint8_t* example, float* out) const {
  InRoom(out, [&](float* room) {
    ToFloat(example, elements_, room);
    for (const auto& transform : transforms_) transform->Apply(room);
  });
}

void Preprocessor::Apply(const float* example, float* out) const {
  InRoom(out, [&](float* room) {
    std::memcpy(room, example, static_cast<size_t>(elements_) * sizeof(float));
    for (const auto& transform : transforms_) transform->Apply(room);
  });
}

void Preprocessor::Apply(const ImageView& image, float* out) const {
  InRoom(out, [&](float* room) { ApplyFirst(transforms_.size(), image.type, image.data, room); });
}

void Preprocessor::Apply(const Split& split, int64_t index, float* out) const {
  InRoom(out,
         [&](float* room) { ApplyFirst(transforms_.size(), split.element_type(), ExampleOf(split, index), room); });
}

void Preprocessor::ApplyFirst(size_t count, v1::ElementType type, const void* example, float* room) const {
  if (type == v1::UINT8) {
    ToFloat(static_cast<const uint8_t*>(example), elements_, room);
  } else {
    std::memcpy(room, example, static_cast<size_t>(elements_) * sizeof(float));
  }
  for (size_t i = 0; i < count; ++i) transforms_[i]->Apply(room);
}

}  // namespace traind::core
