// What every layer is: it checks its config, infers its shape, and plans its forward and backward computation once.
// One kind is one .cc file in this folder that registers itself; composite blocks will expand into these.
//
// Ownership: a Layer is owned by the graph and outlives every plan made from it. Thread-safety: const methods may run
// in several threads at once.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "core/base/errors.h"
#include "core/base/registry.h"
#include "core/tensor/tensor.h"
#include "traind/v1/network.pb.h"

namespace traind::core {

class Planner;

// One tensor of a layer, in the public layout.
struct ParameterSpec {
  std::string name;             // "weight", "bias", "running_mean", ...
  Shape shape;                  // Dense weight [out, in], conv weight [out, in / groups, kh, kw], others [channels].
  v1::Initializer initializer;  // With its defaults filled in.
  int64_t fan_in = 1;           // See initializer.proto.
  int64_t fan_out = 1;
  bool trained = true;     // False for running statistics.
  bool penalized = false;  // Weights proper: penalties and decoupled weight decay act on them, pruning may take them.
  // What penalties call it; Graph::Build decides it.
  v1::ParameterGroup group = v1::PARAMETER_GROUP_UNSPECIFIED;
};

// What is known of a layer before anything is allocated.
struct LayerShape {
  Shape output;  // Of one example.
  std::vector<ParameterSpec> parameters;
  int64_t forward_flops = 0;  // Of one example; a multiply-add counts as two.
};

// Adds the backward computation of a layer to the plan; made by Plan, called once, after the layers that read its
// output had theirs. Empty when a layer has nothing to do backward.
using BackwardPlan = std::function<absl::Status(Planner&)>;

class Layer {
 public:
  virtual ~Layer() = default;

  // Shapes and parameters for these inputs (shapes of one example). Violations go to `errors`, which is the scope of
  // the kind's config; the result is then unspecified.
  virtual LayerShape Infer(absl::Span<const Shape> inputs, const FieldErrors& errors) const = 0;

  // Adds the forward computation to the plan and returns how to go back. Training and inference differ by
  // planner.training(); what is random, by planner.sampling().
  virtual absl::StatusOr<BackwardPlan> Plan(Planner& planner) const = 0;

  // Multiplies the number of outputs, for a maxout that follows; false when this kind has no such number.
  virtual bool Widen(int64_t /*pieces*/) { return false; }
};

}  // namespace traind::core
