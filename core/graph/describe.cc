#include "core/graph/describe.h"

#include <algorithm>
#include <cmath>

namespace traind::core {
namespace {

// Bytes are counted in double, which neither wraps around nor traps; far above any memory its rounding is harmless.
constexpr double kMaxBytes = 0x1p62;
// The process itself: program, libraries, generated kernels, threads' stacks, buffers for events and files.
constexpr double kProcessBytes = 96.0 * (1 << 20);

int64_t ToBytes(double bytes) { return static_cast<int64_t>(std::min(bytes, kMaxBytes)); }
double RoundUp(int64_t n, int64_t multiple) { return std::ceil(static_cast<double>(n) / multiple) * multiple; }

double CountOf(const Shape& shape) {
  double elements = 1;
  for (int64_t d : shape) elements *= static_cast<double>(d);
  return elements;
}

// Elements of a weight in the widest blocking of the kernels: 64 outputs by 32 inputs.
double StoredParameter(const Shape& shape) {
  double elements = 1;
  for (size_t i = 0; i < shape.size(); ++i) {
    const bool blocked = shape.size() > 1 && i < 2;
    elements *= blocked ? RoundUp(shape[i], i == 0 ? 64 : 32) : static_cast<double>(shape[i]);
  }
  return elements;
}

// Elements of one example's value, channels rounded up to a block of 16.
double StoredValue(const Shape& shape) {
  double elements = 1;
  for (size_t i = 0; i < shape.size(); ++i) elements *= i == 0 ? RoundUp(shape[i], 16) : static_cast<double>(shape[i]);
  return elements;
}

struct NodeBytes {
  double values = 0;      // What is computed forward, with copies in another layout where a kernel wants one.
  double gradients = 0;   // Of values.
  double parameters = 0;  // Weights as the kernels read them, masters included.
  double training = 0;    // Gradients and optimizer's state; a copy of weights and state for the checkpoint.
  double scratch = 0;     // While the layer's kernels run.
};

NodeBytes BytesOf(const Node& node, const DescribeOptions& options) {
  const bool bf16 = options.precision == v1::BF16;
  const double value_size = bf16 ? 2 : 4, batch = static_cast<double>(options.batch);
  NodeBytes bytes;
  double inputs = 0;
  for (const Shape& shape : node.input_shapes) inputs += StoredValue(shape) * batch;
  const double before = StoredValue(node.pre_activation) * batch, after = StoredValue(node.output) * batch;
  bytes.values = value_size * (inputs + after + (node.activation ? before : 0));
  // Beside the gradients: indices of max pooling, masks, saved statistics.
  bytes.gradients = bytes.values + 4 * after;
  double weights = 0;
  for (const ParameterSpec& parameter : node.parameters) {
    const double elements = StoredParameter(parameter.shape), exact = CountOf(parameter.shape);
    bytes.parameters += elements * (bf16 ? 4 + 2 : 4);
    bytes.training += 4 * exact;
    if (parameter.trained)
      bytes.training += 4 * (elements * (1 + options.optimizer_slots) + exact * options.optimizer_slots);
    weights += elements;
  }
  // Kernels transpose their operands, sum weight gradients for each thread, and transform tiles for Winograd, where
  // 4x4 outputs take 6x6 numbers and a 3x3 kernel becomes 6x6.
  if (weights > 0) bytes.scratch = 4 * (weights * (4 + options.threads) + 2.25 * (inputs + before));
  return bytes;
}

void DescribeParameters(const Node& node, v1::LayerDescription& layer) {
  double bytes = 0, trained = 0;
  for (const ParameterSpec& parameter : node.parameters) {
    v1::TensorInfo& tensor = *layer.add_parameters();
    tensor.set_name(node.name + "." + parameter.name);
    tensor.mutable_shape()->Assign(parameter.shape.begin(), parameter.shape.end());
    const double elements = CountOf(parameter.shape);
    bytes += 4 * elements;
    if (parameter.trained) trained += elements;
  }
  layer.set_parameter_bytes(ToBytes(bytes));
  layer.set_num_parameters(ToBytes(trained));
}

}  // namespace

v1::NetworkDescription Describe(const Graph& graph, const v1::Network& expanded, const DescribeOptions& options) {
  v1::NetworkDescription description;
  *description.mutable_expanded() = expanded;
  NodeBytes total;
  double flops = 0, parameters = 0;
  for (const Node& node : graph.nodes()) {
    v1::LayerDescription& layer = *description.add_layers();
    layer.set_name(node.name);
    layer.set_kind(node.kind);
    layer.set_activation(node.layer ? node.activation_kind : "");
    for (int input : node.inputs) {
      layer.add_inputs(input == Node::kNetworkInput ? "input" : graph.nodes()[input].name);
    }
    layer.mutable_output_shape()->Assign(node.output.begin(), node.output.end());
    DescribeParameters(node, layer);
    layer.set_forward_flops(node.forward_flops);
    layer.set_activation_bytes(ToBytes((options.precision == v1::BF16 ? 2 : 4) * CountOf(node.output)));
    for (const v1::LayerAlgorithm& chosen : options.algorithms) {
      if (chosen.layer() == node.name) layer.set_algorithm(chosen.algorithm());
    }
    const NodeBytes bytes = BytesOf(node, options);
    total.values += bytes.values;
    total.gradients += bytes.gradients;
    total.parameters += bytes.parameters;
    total.training += bytes.training;
    total.scratch = std::max(total.scratch, bytes.scratch);
    flops += static_cast<double>(node.forward_flops);
    parameters += static_cast<double>(layer.num_parameters());
  }
  description.set_parameters(ToBytes(parameters));
  description.set_forward_flops(ToBytes(flops));
  const double input = 4 * StoredValue(graph.input_shape()) * static_cast<double>(options.batch);
  const double inference = kProcessBytes + input + total.values + total.parameters + total.scratch;
  description.set_inference_memory_bytes(ToBytes(inference));
  // Evaluation while training has a plan of its own.
  description.set_training_memory_bytes(
      ToBytes(inference + input + total.values + total.gradients + total.training + total.scratch));
  return description;
}

}  // namespace traind::core
