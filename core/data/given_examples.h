// Examples that come with a call, as the files that people have: images, and lines of a table. They become what the
// import of the model's dataset would have made of them. The bytes come from strangers: memory is bounded by what is
// given here, and bad content is INVALID_ARGUMENT with the name of the image, or line and column. Functions are
// thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/kinds/raw_examples.h"
#include "core/tensor/tensor.h"
#include "google/protobuf/repeated_ptr_field.h"
#include "traind/v1/job.pb.h"
#include "traind/v1/model_service.pb.h"

namespace traind::core {

// The most bytes that the examples of a call become.
inline constexpr int64_t kMaxGivenBytes = int64_t{256} << 20;

struct GivenExamples {
  Shape shape = {};  // Of one.
  int64_t count = 0;
  std::vector<uint8_t> bytes = {};      // [count, shape] of images,
  std::vector<float> floats = {};       // or of a table.
  std::vector<int32_t> labels = {};     // [count], or empty.
  std::vector<float> targets = {};      // [count, width], or empty.
  std::vector<std::string> notes = {};  // What was guessed or changed.

  // Refers to this object, wherever it was moved to by then.
  RawExamples View() const;
};

// Decoded and brought to `stored`, [1 or 3, height, width], as an import does it.
absl::StatusOr<GivenExamples> ReadImages(const google::protobuf::RepeatedPtrField<v1::ImageFile>& images,
                                         const Shape& stored);

// `trained_on` is what the model was trained on: its features, classes and targets. `answers`: the labels or targets
// are read, too.
absl::StatusOr<GivenExamples> ReadTable(const v1::ExampleTable& table, const v1::DataIdentity& trained_on,
                                        bool answers);

}  // namespace traind::core
