#include "core/data/preprocessing/preprocessor.h"

#include <cstring>
#include <new>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "core/base/kind.h"
#include "core/data/preprocessing/data_moments.h"
#include "core/data/preprocessing/principal_axes.h"
#include "core/kinds/learned.h"

namespace traind::core {
namespace {

constexpr int kMaxTransforms = 16;           // Several times as many as there are kinds.
constexpr int64_t kExamplesPerReport = 256;  // Examples: milliseconds.
constexpr absl::string_view kPreprocessingList = "preprocessing";

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
      preprocessor.output_shape_ = transform->SetShape(preprocessor.output_shape_, AtKind((*config)[i], field));
      preprocessor.output_elements_ = Elements(preprocessor.output_shape_);
      transform->FillIn(*config->Mutable(i));
    }
    preprocessor.transforms_.push_back(std::move(transform));
  }
  return preprocessor;
}

absl::Status Preprocessor::Fit(const RawExamples& examples, const std::function<void()>& progress) try {
  if (examples.shape != shape_) {
    return absl::DataLossError(
        absl::StrCat("the examples have the shape ", ToString(examples.shape), ", not ", ToString(shape_)));
  }
  std::vector<float> buffer(static_cast<size_t>(elements_));
  for (size_t i = 0; i < transforms_.size(); ++i) {
    if (!transforms_[i]->needs_fit()) continue;
    const auto for_each = [&](const std::function<void(const float*)>& visit) {
      for (int64_t index = 0; index < examples.count; ++index) {
        ApplyFirst(i, examples.type, examples.at(index), buffer.data());
        visit(buffer.data());
        if (index % kExamplesPerReport == 0) progress();
      }
    };
    transforms_[i]->Fit({.count = examples.count, .type = examples.type, .for_each = for_each, .progress = progress});
    const absl::Status finite = CheckLearned(WithStoredNames(kPreprocessingList, i, transforms_[i]->parameters()));
    if (!finite.ok()) return finite;
  }
  return absl::OkStatus();
} catch (const std::bad_alloc&) {
  return absl::ResourceExhaustedError("no memory to fit the preprocessing");
} catch (const std::system_error& error) {
  return absl::ResourceExhaustedError(
      absl::StrCat("cannot start the thread that fits the preprocessing: ", error.what()));
}

std::vector<Tensor> Preprocessor::parameters() const { return AllLearned(kPreprocessingList, transforms_); }

absl::Status Preprocessor::Load(absl::Span<const Tensor> parameters) {
  return LoadLearned(kPreprocessingList, parameters, transforms_);
}

v1::PreprocessingReport Preprocessor::Report(const RawExamples& examples, const std::function<void()>& progress) const {
  std::vector<float> buffer(static_cast<size_t>(elements_));
  const auto moments = [&](size_t transforms, int64_t features) {
    return ComputeDataMoments(examples.count, features, [&](int64_t example) {
      if (example % kExamplesPerReport == 0) progress();
      ApplyFirst(transforms, examples.type, examples.at(example), buffer.data());
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
void Preprocessor::Apply(v1::ElementType type, const void* example, float* out) const {
  if (output_elements_ == elements_) return ApplyFirst(transforms_.size(), type, example, out);
  float room[kMaxAxes];
  ApplyFirst(transforms_.size(), type, example, room);
  std::memcpy(out, room, static_cast<size_t>(output_elements_) * sizeof(float));
}

void Preprocessor::ApplyFirst(size_t count, v1::ElementType type, const void* example, float* room) const {
  CopyAsFloats(type, example, elements_, room);
  for (size_t i = 0; i < count; ++i) transforms_[i]->Apply(room);
}

}  // namespace traind::core
