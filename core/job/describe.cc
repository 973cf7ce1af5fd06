#include "core/job/describe.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <string_view>
#include <vector>

namespace traind::core {
namespace {

// Bytes are counted in double, which neither wraps around nor traps; far above any memory its rounding is harmless.
constexpr double kMaxBytes = 0x1p62;
// The process itself: program, libraries, generated kernels, threads' stacks, buffers for events and files.
constexpr double kProcessBytes = 96.0 * (1 << 20);

// Values that share an arena leave gaps between them (core/plan/arena.h): at most half as much again as is alive.
constexpr double kGaps = 1.5;

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

// What one node adds to a plan, in bytes.
struct NodeBytes {
  double output = 0;      // Of the value that other layers read; its gradient takes the same.
  double forward = 0;     // All it computes: that value, the one before the activation, copies of its inputs in another
                          // layout where a kernel wants one, indices of max pooling, masks, saved statistics.
  double backward = 0;    // Its gradients while it goes backward, in every layout that a kernel may ask for.
  double parameters = 0;  // Weights as the kernels read them, masters included.
  double training = 0;    // Gradients and optimizer's state; a copy of weights and state for the checkpoint.
  double evaluation = 0;  // Weights in the layout of the inference plan's kernels.
  // While its kernels run, reordered weights included.
  double forward_scratch = 0;
  double backward_scratch = 0;
};

// Whether the layer works on images in whatever layout they come.
bool TakesEveryLayout(const Node& node) {
  static constexpr std::string_view kKinds[] = {"batch_norm",      "max_pool",   "avg_pool",
                                                "global_avg_pool", "dropout",    "flatten",
                                                "layer_norm",      "group_norm", "fractional_max_pool"};
  return node.input_shapes[0].size() > 1 &&
         std::find(std::begin(kKinds), std::end(kKinds), node.kind) != std::end(kKinds);
}

// What some kinds keep from the forward pass besides their output and a byte for each value of it.
double SavedBytes(const Node& node, double value_size, double batch) {
  // Means and deviations, then sums, of at most as many groups as channels.
  if (node.kind == "layer_norm") return 8 * batch;
  if (node.kind == "group_norm") return 2 * 8 * RoundUp(node.pre_activation[0], 16) * batch;
  // The kernels' workspace: two numbers for each value.
  if (node.kind == "local_response_norm") return 2 * value_size * StoredValue(node.pre_activation) * batch;
  // Where the regions begin.
  if (node.kind == "fractional_max_pool") return 4 * (2.0 + node.pre_activation[1] + node.pre_activation[2]) * batch;
  // The masked weights, and these in the layout of a kernel.
  if (node.kind == "drop_connect") return 2 * value_size * StoredParameter(node.parameters[0].shape);
  return 0;
}

NodeBytes BytesOf(const Node& node, const DescribeOptions& options) {
  const bool bf16 = options.precision == v1::BF16;
  const double value_size = bf16 ? 2 : 4, batch = static_cast<double>(options.batch);
  NodeBytes bytes;
  double inputs = 0;
  for (const Shape& shape : node.input_shapes) inputs += StoredValue(shape) * batch;
  const double before = StoredValue(node.pre_activation) * batch, after = StoredValue(node.output) * batch;
  // Batch norm does a relu in the same pass.
  const bool in_one = !node.activation || (node.kind == "batch_norm" && node.activation->is_relu());
  bytes.output = value_size * after;
  const double copies = TakesEveryLayout(node) ? 0 : inputs;
  bytes.forward = value_size * (copies + after + (in_one ? 0 : before)) + (node.kind == "max_pool" ? 4 : 1) * after +
                  SavedBytes(node, value_size, batch);
  // The output's gradient, summed up, and a copy for each of the layer's two kernels and for the activation; the
  // inputs' gradients as the kernel leaves them and as the reader wants them, and the inputs once more for the weights'
  // gradient.
  bytes.backward = value_size * (3 * inputs + 4 * before + (in_one ? 0 : 2 * after));
  double weights = 0;
  for (const ParameterSpec& parameter : node.parameters) {
    const double elements = StoredParameter(parameter.shape), exact = CountOf(parameter.shape);
    bytes.parameters += elements * (bf16 ? 4 + 2 : 4);
    bytes.evaluation += elements * value_size;
    bytes.training += 4 * exact;
    if (parameter.trained)
      bytes.training += 4 * (elements * (1 + options.optimizer_slots) + exact * options.optimizer_slots);
    weights += elements;
  }
  if (weights == 0) return bytes;
  // Winograd transforms tiles: 4x4 outputs take 6x6 numbers and a 3x3 kernel becomes 6x6. Other kernels transpose an
  // operand at most. Backward, the weights' gradient is summed for each thread, and brought to the layout of the
  // master.
  const bool winograd = std::any_of(options.algorithms.begin(), options.algorithms.end(), [&](const auto& chosen) {
    return chosen.layer() == node.name && chosen.algorithm() == v1::WINOGRAD;
  });
  const double operands = (winograd ? 2.25 : 1) * (inputs + before);
  bytes.forward_scratch = 4 * (4 * weights + operands);
  bytes.backward_scratch = 4 * ((4 + options.threads) * weights + operands);
  return bytes;
}

// The most bytes of values alive at once in an inference plan: a node's own while it runs, its output until the last
// reader is done.
double InferencePeak(const Graph& graph, const std::vector<NodeBytes>& bytes) {
  const auto& nodes = graph.nodes();
  std::vector<int> last_reader(nodes.size(), -1);
  for (int i = 0; i < static_cast<int>(nodes.size()); ++i) {
    for (int input : nodes[i].inputs) {
      if (input >= 0) last_reader[input] = i;
    }
  }
  double alive = 0, peak = 0;
  for (int i = 0; i < static_cast<int>(nodes.size()); ++i) {
    peak = std::max(peak, alive + bytes[i].forward);
    alive += bytes[i].output;
    for (size_t k = 0; k < nodes[i].inputs.size(); ++k) {
      const int input = nodes[i].inputs[k];
      const auto& before = nodes[i].inputs;
      const bool repeated = std::find(before.begin(), before.begin() + k, input) != before.begin() + k;
      if (input >= 0 && last_reader[input] == i && !repeated) alive -= bytes[input].output;
    }
  }
  return peak;
}

// The most bytes of gradients alive at once: a node's own while it goes backward, and those that readers have left for
// nodes whose turn has not come.
double GradientPeak(const Graph& graph, const std::vector<NodeBytes>& bytes) {
  const auto& nodes = graph.nodes();
  std::vector<double> waiting(nodes.size(), 0);
  double alive = 0, peak = 0;
  for (int i = static_cast<int>(nodes.size()) - 1; i >= 0; --i) {
    peak = std::max(peak, alive + bytes[i].backward);
    alive -= waiting[i];
    for (int input : nodes[i].inputs) {
      if (input < 0) continue;
      waiting[input] += bytes[input].output;
      alive += bytes[input].output;
    }
  }
  return peak;
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
  std::vector<NodeBytes> by_node;
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
    by_node.push_back(BytesOf(node, options));
    const NodeBytes& bytes = by_node.back();
    total.forward += bytes.forward;
    total.parameters += bytes.parameters;
    total.training += bytes.training;
    total.evaluation += bytes.evaluation;
    total.forward_scratch = std::max(total.forward_scratch, bytes.forward_scratch);
    total.backward_scratch = std::max(total.backward_scratch, bytes.backward_scratch);
    flops += static_cast<double>(node.forward_flops);
    parameters += static_cast<double>(layer.num_parameters());
  }
  description.set_parameters(ToBytes(parameters));
  description.set_forward_flops(ToBytes(flops));
  const double batch = static_cast<double>(options.batch);
  // The minibatch in the plan's type, the logits and their gradient in float32.
  const double input = 4 * StoredValue(graph.input_shape()) * batch;
  const double logits = 4 * 3 * StoredValue(graph.output().output) * batch;
  const double shared = std::min(total.forward, kGaps * InferencePeak(graph, by_node));
  const double inference = kProcessBytes + input + logits + shared + total.parameters + total.forward_scratch;
  description.set_inference_memory_bytes(ToBytes(inference));
  // The backward pass may read whatever was computed forward. Evaluation while training has a plan of its own.
  description.set_training_memory_bytes(ToBytes(inference + input + logits + total.forward +
                                                GradientPeak(graph, by_node) + total.training + total.evaluation +
                                                total.backward_scratch));
  return description;
}

}  // namespace traind::core
