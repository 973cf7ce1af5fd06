// What a file of weights holds of a network, and what not. Pure; thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "core/checkpoint/safetensors.h"
#include "core/tensor/tensor.h"

namespace traind::core {

// A tensor of the network.
struct NeededTensor {
  std::string name;  // "<layer>.weight".
  Shape shape;
};

struct WeightsMatch {
  int64_t fitting = 0;
  std::vector<std::string> converted = {};  // "F16": the types of the file that become float32.
  std::vector<std::string> missing = {};    // Of the network.
  std::vector<std::string> misshapen = {};  // Of both, each with its shapes.
  std::vector<std::string> unused = {};     // Of the file: the network has none such.
  std::vector<std::string> skipped = {};  // Of the file: integers that count batches, as PyTorch's batch norm has them.

  bool complete() const { return missing.empty() && unused.empty(); }
  // Why the file cannot be loaded; empty: it can. `allow_missing`: what is missing is initialized, what is unused not
  // loaded, but something must fit.
  std::vector<std::string> Problems(bool allow_missing) const;
  // What becomes of the tensors: "4 tensors loaded (from F16); not in the file, and so initialized: fc.bias; ..."
  std::string ToString() const;
};

WeightsMatch MatchWeights(const Safetensors& file, absl::Span<const NeededTensor> network);

}  // namespace traind::core
