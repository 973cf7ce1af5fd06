// The gradient of several minibatches, as of one that has all their examples.
#pragma once

#include <cstdint>

#include "core/plan/parameter_store.h"

namespace traind::core {

// Keeps its sum in state tensor `slot` of each trained parameter, which needs no beginning. Allocates nothing; splits
// its work by OpenMP; not thread-safe.
class GradientSum {
 public:
  GradientSum(ParameterStore& store, int slot) : store_(store), slot_(slot) {}

  // Takes the gradients in the store, means over `examples` examples. The first minibatch of a step begins anew.
  void Add(bool first, int64_t examples);
  // The store's gradients become the mean over all examples that were added.
  void Finish();

 private:
  ParameterStore& store_;
  const int slot_;
  int64_t examples_ = 0;
};

}  // namespace traind::core
