// A network as the engine sees it: nodes in an order in which each comes after its inputs, with shapes, parameters and
// costs known, before anything is allocated. Immutable after Build; safe to share between threads.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/errors.h"
#include "core/kinds/activation.h"
#include "core/kinds/layer.h"
#include "core/kinds/regularizer.h"
#include "core/tensor/tensor.h"
#include "traind/v1/network.pb.h"

namespace traind::core {

// One layer of the network. It computes `layer` (null where the activation alone is the layer), then `activation`
// (null for none).
struct Node {
  static constexpr int kNetworkInput = -1;

  std::string name;
  std::string kind;             // "conv2d", or the activation's name where that alone is the layer.
  std::string activation_kind;  // "relu", or empty.
  std::vector<int> inputs;      // Indices of nodes, or kNetworkInput.
  std::vector<Shape> input_shapes;
  std::unique_ptr<Layer> layer;
  std::unique_ptr<Activation> activation;
  Shape pre_activation;  // Shapes of one example.
  Shape output;
  std::vector<ParameterSpec> parameters;  // The layer's, then the activation's.
  GroupPenalties penalties;               // On the trained parameters, by their group.
  int64_t forward_flops = 0;              // Of one example.
  std::optional<ConvolutionShape> convolution;
};

class Graph {
 public:
  // Checks the network, fills in its defaults, expands its preset and its blocks, and infers shapes. Every violation
  // goes to `errors` (the scope of the network); the result is null if there was one. `network.input_shape` must be
  // set. Afterwards `network` is plain layers, which build to the same graph again; expanded, they are in the nodes'
  // order.
  static std::unique_ptr<Graph> Build(v1::Network& network, const FieldErrors& errors);

  const std::vector<Node>& nodes() const { return nodes_; }
  const Node& output() const { return nodes_[output_]; }
  int output_index() const { return output_; }
  const Shape& input_shape() const { return input_shape_; }
  int64_t num_parameters() const;  // Trained numbers.

 private:
  std::vector<Node> nodes_;
  int output_ = 0;
  Shape input_shape_;
};

}  // namespace traind::core
