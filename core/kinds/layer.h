// What every layer is: it checks its config, infers its shape, and plans its forward and backward computation once.
// One kind is one .cc file in core/layers that registers itself; composite blocks expand into these.
//
// Ownership: a Layer is owned by the graph and outlives every plan made from it. Thread-safety: const methods may run
// in several threads at once.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "core/base/errors.h"
#include "core/base/random.h"
#include "core/base/registry.h"
#include "core/kinds/window.h"
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
  bool trained = true;              // False for running statistics.
  bool penalized = false;           // Weights proper: penalties and weight decay act on them, pruning may take them.
  bool by_unit = true;              // Of weights: the first dimension counts the units of the output.
  double learning_rate_factor = 1;  // Of the optimizer's rate.
  // What penalties call it; Graph::Build decides it.
  v1::ParameterGroup group = v1::PARAMETER_GROUP_UNSPECIFIED;
};

// What is known of a layer before anything is allocated.
struct LayerShape {
  Shape output;  // Of one example.
  std::vector<ParameterSpec> parameters;
  int64_t forward_flops = 0;  // Of one example; a multiply-add counts as two.
  // Of a layer that is a convolution: its kernels are then chosen by core/plan/convolution_rule.h.
  std::optional<ConvolutionShape> convolution = {};
};

// What a layer says of itself to those who would else have to know its kind. The defaults promise nothing.
struct LayerTraits {
  // A matrix at test time, and a bias: f(a x + b y) = a f(x) + b f(y), constants left out, of all inputs together.
  bool linear = false;
  // f(a x) = a f(x) for every a > 0, biases left out.
  bool homogeneous = false;
  // Zeros come out of zeros, and gradients pass all the same.
  bool passes_zeros = false;
  // Has one input, whose shape it keeps, and a channel of the output comes from the same channel of the input alone.
  bool channelwise = false;
  // The output is the sum of the inputs.
  bool sums_inputs = false;
  // Training takes mean and variance over the examples of the minibatch.
  bool normalizes_over_batch = false;
  // The channels of the output are the probabilities of a softmax.
  bool makes_probabilities = false;
  // Reads the network's input as the dataset has it (Planner::ExactInput), and no other layer.
  bool reads_examples = false;
  // Sets single values of the output to zero at random.
  bool drops_values = false;
  // The field of the config with the initializer of a weight to which the output is proportional, the bias left out.
  std::string_view weight_initializer = {};
  // What its random numbers are drawn for, of no other component; nullopt where nothing is random. They are drawn in
  // training and by Monte-Carlo samples (Planner::sampling) and, where random_in_inference, in every look.
  std::optional<Purpose> purpose = {};
  bool random_in_inference = false;
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

  virtual LayerTraits traits() const { return {}; }

  // Of a layer that leaves its input out in whole steps, its output and the gradient for its input being zeros: whether
  // it does, by the number of steps done before. What serves it alone is then not computed. Null: it never does.
  using LeavesOut = std::function<bool(uint64_t step)>;
  virtual LeavesOut leaves_out(uint64_t /*seed*/, std::string_view /*name*/) const { return nullptr; }

  // Multiplies the number of outputs, for a maxout that follows; false when this kind has no such number.
  virtual bool Widen(int64_t /*pieces*/) { return false; }
};

}  // namespace traind::core
