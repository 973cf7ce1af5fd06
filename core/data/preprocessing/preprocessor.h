// The ordered list of transforms of a job: fitted on the training split once, stored with the model, applied to every
// example the network sees. Immutable after Fit or Load, and then thread-safe.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "core/base/errors.h"
#include "core/kinds/learned.h"
#include "core/kinds/raw_examples.h"
#include "core/kinds/transform.h"
#include "core/tensor/tensor.h"
#include "google/protobuf/repeated_ptr_field.h"
#include "traind/v1/event.pb.h"
#include "traind/v1/preprocessing.pb.h"

namespace traind::core {

class Preprocessor {
 public:
  using Config = google::protobuf::RepeatedPtrField<v1::Preprocessing>;

  // Checks `config` and fills in its defaults. `example_shape` is null when it is not known (then only the config is
  // checked, and the result is of no further use). Violations go to `errors`, the scope of the message that holds the
  // field `preprocessing`; the result is meaningful only when there were none.
  static Preprocessor Create(Config* config, const Shape* example_shape, const FieldErrors& errors);

  // Learns what there is to learn, one transform after the other, from all `examples`. Deterministic; `progress` is
  // called now and then. DATA_LOSS when the examples have another shape; INVALID_ARGUMENT when what was learned is not
  // finite; RESOURCE_EXHAUSTED without memory or threads.
  absl::Status Fit(
      const RawExamples& examples, const std::function<void()>& progress = [] {});
  // What a person should know of the examples that Fit saw, each with its place in the list.
  std::vector<std::string> warnings() const { return AllWarnings("preprocessing", transforms_); }
  // What the fitted preprocessing does to a sample of the examples that it was fitted on.
  v1::PreprocessingReport Report(
      const RawExamples& examples, const std::function<void()>& progress = [] {}) const;

  // What was learned, as "preprocessing.0.mean", "preprocessing.1.std", ...; empty when nothing needs learning.
  std::vector<Tensor> parameters() const;
  // Takes parameters() back. DATA_LOSS names a tensor that is missing, has another shape or is not finite.
  absl::Status Load(absl::Span<const Tensor> parameters);

  // One example of example_elements() bytes or floats, transformed: output_elements() floats. Allocates nothing.
  void Apply(v1::ElementType type, const void* example, float* out) const;

  const Shape& example_shape() const { return shape_; }
  const Shape& output_shape() const { return output_shape_; }
  int64_t example_elements() const { return elements_; }
  int64_t output_elements() const { return output_elements_; }
  // At most, while fitting and after, beside the examples themselves.
  int64_t memory_bytes() const;

 private:
  // The first `count` transforms, in place: room for example_elements() floats.
  void ApplyFirst(size_t count, v1::ElementType type, const void* example, float* room) const;

  Shape shape_;
  Shape output_shape_;
  int64_t elements_ = 0;
  int64_t output_elements_ = 0;
  std::vector<std::unique_ptr<Transform>> transforms_;
};

}  // namespace traind::core
