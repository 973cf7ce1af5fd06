// Shapes, and tensors in ordinary memory in the layout users know. The plan (core/plan) holds the values that kernels
// compute on, in layouts of their own.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/types/span.h"

namespace traind::core {

// [features] or [channels, height, width] for one example; any rank for parameters.
using Shape = std::vector<int64_t>;

// The product; callers have checked that it fits (see CheckedElements).
inline int64_t Elements(absl::Span<const int64_t> shape) {
  int64_t n = 1;
  for (int64_t d : shape) n *= d;
  return n;
}

// The product, or -1 when a dimension is negative or the product exceeds `limit`.
inline int64_t CheckedElements(absl::Span<const int64_t> shape, int64_t limit = int64_t{1} << 40) {
  int64_t n = 1;
  for (int64_t d : shape) {
    if (d < 0 || (d > 0 && n > limit / d)) return -1;
    n *= d;
  }
  return n;
}

inline std::string ToString(absl::Span<const int64_t> shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ", "), "]");
}

// A named float32 tensor, row-major: dense weights [out, in], convolutions [out, in / groups, height, width].
struct Tensor {
  std::string name;
  Shape shape;
  std::vector<float> values;
};

}  // namespace traind::core
