// The constraint max_norm: after an update, rows of weights that are too long are scaled down, as torch.renorm does.
// A row is what goes into one unit: all weights of one index of a tensor's first dimension.
//
// Allocates only when it is made. Deterministic for any number of threads. Not thread-safe; splits its work with
// ParallelFor. The store outlives it.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "core/plan/parameter_store.h"

namespace traind::core {

class MaxNorm {
 public:
  // For the trained tensors of the store, all of them placed, that have a finite PenaltyStrength::max_norm; null where
  // none has. RESOURCE_EXHAUSTED: no memory for one more copy of these.
  static absl::StatusOr<std::unique_ptr<MaxNorm>> Make(ParameterStore& store);

  // Whether `parameter` is constrained, and so takes one copy of itself more.
  static bool Constrains(const StoredParameter& parameter);

  // Scales the rows, the bfloat16 copies included.
  void Apply();

 private:
  struct Tensor {
    StoredParameter* parameter;
    const float* rows;            // Of each stored weight, in the layout of the kernels: its row.
    std::vector<double> squares;  // Of each row; then its factor.
  };
  explicit MaxNorm(ParameterStore& store) : store_(store) {}
  // Returns whether a row was too long.
  static bool Apply(Tensor& tensor);

  ParameterStore& store_;
  std::vector<Tensor> tensors_;
};

}  // namespace traind::core
