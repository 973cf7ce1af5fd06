// y = W x + b for each row x of a matrix: dense over positions, and the projections of attention. Not thread-safe.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "core/kinds/planner.h"
#include "core/onednn/primitives.h"

namespace traind::core {

// The layer's parameters, by name, and what they make.
struct Projection {
  std::string weight = "weight";  // [out, in]
  std::string bias = "bias";      // [out]; empty: none.
  int64_t out = 1;
  bool fuse = false;  // Takes the layer's activation along where it can.
};

// What the way back needs.
struct Projected {
  onednn::InnerProductForward forward;
  Value source;  // [n, in], as it was read.
  Value output;  // [n, out], row-major.
};

// Appends it; `rows` is [n, in], row-major, in the plan's compute type. Errors of the kernel library.
absl::StatusOr<Projected> Project(Planner& planner, const Projection& projection, Value rows);

// Appends the gradients of the parameters and, where wanted, for the rows, which it returns: [n, in], row-major.
// `gradient` is that of the output, of its form.
absl::StatusOr<Value> ProjectBack(Planner& planner, const Projection& projection, const Projected& projected,
                                  Value gradient, bool wants_input);

}  // namespace traind::core
