#include "core/job/describe.h"

#include <algorithm>
#include <string>

namespace traind::core {
namespace {

// Numbers are counted in double, which neither wraps around nor traps.
int64_t ToCount(double number) { return static_cast<int64_t>(std::min(number, 0x1p62)); }

void DescribeParameters(const Node& node, v1::LayerDescription& layer) {
  double bytes = 0, trained = 0;
  for (const ParameterSpec& parameter : node.parameters) {
    v1::TensorInfo& tensor = *layer.add_parameters();
    tensor.set_name(node.name + "." + parameter.name);
    tensor.mutable_shape()->Assign(parameter.shape.begin(), parameter.shape.end());
    const double elements = static_cast<double>(Elements(parameter.shape));
    bytes += 4 * elements;
    if (parameter.trained) trained += elements;
  }
  layer.set_parameter_bytes(ToCount(bytes));
  layer.set_num_parameters(ToCount(trained));
}

void DescribeLayer(const Graph& graph, const Node& node, const PlanOptions& options, v1::LayerDescription& layer) {
  layer.set_name(node.name);
  layer.set_kind(node.kind);
  layer.set_activation(node.layer ? node.activation_kind : "");
  for (int input : node.inputs) {
    layer.add_inputs(input == Node::kNetworkInput ? "input" : graph.nodes()[input].name);
  }
  layer.mutable_output_shape()->Assign(node.output.begin(), node.output.end());
  DescribeParameters(node, layer);
  layer.set_forward_flops(node.forward_flops);
  layer.set_activation_bytes(
      ToCount((options.precision == v1::PRECISION_BF16 ? 2 : 4) * static_cast<double>(Elements(node.output))));
  const auto chosen = options.algorithms.find(node.name);
  if (chosen != options.algorithms.end()) layer.set_algorithm(chosen->second);
}

}  // namespace

absl::StatusOr<v1::NetworkDescription> Describe(const Graph& graph, const v1::Network& expanded,
                                                const MemoryOptions& options) {
  v1::NetworkDescription description;
  *description.mutable_expanded() = expanded;
  double flops = 0, parameters = 0;
  for (const Node& node : graph.nodes()) {
    v1::LayerDescription& layer = *description.add_layers();
    DescribeLayer(graph, node, options.plan, layer);
    flops += static_cast<double>(node.forward_flops);
    parameters += static_cast<double>(layer.num_parameters());
  }
  description.set_parameters(ToCount(parameters));
  description.set_forward_flops(ToCount(flops));
  const auto memory = BoundMemory(graph, options);
  if (!memory.ok()) return memory.status();
  description.set_training_memory_bytes(memory->training);
  description.set_inference_memory_bytes(memory->inference);
  return description;
}

}  // namespace traind::core
