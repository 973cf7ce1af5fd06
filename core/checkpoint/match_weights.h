// What a file of weights holds of a network, and what not. Pure; thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "core/checkpoint/safetensors.h"
#include "core/tensor/tensor.h"
#include "traind/v1/job.pb.h"

namespace traind::core {

// A tensor of the network.
struct NeededTensor {
  std::string name;  // "<layer>.weight".
  Shape shape;
};

struct WeightsMatch {
  // For each tensor of the network the one of the file; null: it is initialized. They live as long as the file.
  std::vector<const Safetensors::Entry*> sources = {};
  int64_t fitting = 0;
  std::vector<std::string> converted = {};  // "F16": the types of the file that become float32.
  std::vector<std::string> missing = {};    // Of the network; with the model's name where a rule gives another.
  std::vector<std::string> misshapen = {};  // Of both, each with its shapes.
  std::vector<std::string> by_rule = {};    // Of the network: a rule skips them.
  std::vector<std::string> unused = {};     // Of the file: nothing in the network takes them.
  std::vector<std::string> skipped = {};  // Of the file: integers that count batches, as PyTorch's batch norm has them.
  std::vector<int> idle_rules = {};       // Indices of rules that decide nothing.
  // By which names the tensors were looked for: those wanted, or found out.
  v1::InitialWeights::Names names = v1::InitialWeights::NAMES_NETWORK;
  bool strange = false;  // By these names no tensor of such a network is known.

  // Tensors of the network that are in the file, fitting or not.
  int64_t found() const { return fitting + static_cast<int64_t>(misshapen.size()); }
  bool complete() const { return missing.empty() && unused.empty() && misshapen.empty(); }
  // Why the file cannot be loaded as `wanted` says; empty: it can.
  std::vector<std::string> Problems(const v1::InitialWeights& wanted = {}) const;
  // What becomes of the tensors: "4 tensors loaded (from F16); not in the file, and so initialized: fc.bias; ..."
  std::string ToString() const;
};

// What `file` has for the network by the names and rules of `wanted`, which CheckWeightRules has passed. Where it does
// not say the names, they are those by which the file has the most tensors of the network; of equal ones the network's.
WeightsMatch MatchWeights(const Safetensors& file, absl::Span<const NeededTensor> network,
                          const v1::InitialWeights& wanted = {});

}  // namespace traind::core
