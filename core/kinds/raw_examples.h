// Examples before anything is done to them: what the augmentation and the preprocessing learn from, wherever they come
// from.
#pragma once

#include <cstdint>
#include <functional>

#include "core/kinds/image_view.h"
#include "core/tensor/tensor.h"
#include "traind/v1/dataset.pb.h"

namespace traind::core {

// The most numbers of an example.
inline constexpr int64_t kMaxExampleElements = int64_t{1} << 24;

// Refers to memory that somebody else owns. As thread-safe as `at` is.
struct RawExamples {
  int64_t count = 0;
  v1::ElementType type = v1::ELEMENT_TYPE_UINT8;     // Or FLOAT32.
  Shape shape = {};                                  // Of one: [features] or [channels, height, width].
  std::function<const void*(int64_t)> at = nullptr;  // Example i, row-major; valid until the next call.

  int64_t elements() const { return Elements(shape); }
};

// The example `index` where they are images; to be read only.
inline ImageView ImageAt(const RawExamples& examples, int64_t index) {
  const Shape& shape = examples.shape;
  return {examples.type, shape[0], shape[1], shape[2], const_cast<void*>(examples.at(index))};
}

// The `n` numbers of an example as floats.
void CopyAsFloats(v1::ElementType type, const void* example, int64_t n, float* out);

}  // namespace traind::core
