#include <map>
#include <numbers>

#include "core/onnx/forms.h"

namespace traind::core::onnx {
namespace {

template <const char* kOperator>
std::string Plain(const LayerParts& parts, const std::string& x) {
  return parts.graph.Op(kOperator, {x});
}
constexpr char kIdentity[] = "Identity", kSigmoid[] = "Sigmoid", kTanh[] = "Tanh", kRelu[] = "Relu",
               kSoftplus[] = "Softplus", kHardSwish[] = "HardSwish";

std::string LeakyRelu(const LayerParts& parts, const std::string& x) {
  return parts.graph.Op("LeakyRelu", {x}, {{"alpha", parts.config.activation().leaky_relu().negative_slope()}});
}

std::string Prelu(const LayerParts& parts, const std::string& x) {
  return parts.graph.Op("PRelu", {x, parts.graph.PerChannel(parts.Weight("slope"), parts.node.output)});
}

// Piece p of unit u is channel p * units + u.
std::string Maxout(const LayerParts& parts, const std::string& x) {
  const Shape& output = parts.node.output;
  Shape pieces = output;
  pieces.insert(pieces.begin(), parts.config.activation().maxout().pieces());
  return parts.graph.Op("ReduceMax", {parts.graph.Reshape(x, pieces)},
                        {{"axes", std::vector<int64_t>{1}}, {"keepdims", int64_t{0}}});
}

std::string Elu(const LayerParts& parts, const std::string& x) {
  return parts.graph.Op("Elu", {x}, {{"alpha", parts.config.activation().elu().alpha()}});
}

// The constants of Klambauer et al. 2017, which older operator sets have by default with fewer digits.
std::string Selu(const LayerParts& parts, const std::string& x) {
  return parts.graph.Op("Selu", {x}, {{"alpha", 1.6732632423543772}, {"gamma", 1.0507009873554805}});
}

// x times sigmoid(b x), b the name of a constant.
std::string SigmoidGate(GraphWriter& graph, const std::string& x, const std::string& b) {
  return graph.Op("Mul", {x, graph.Op("Sigmoid", {graph.Op("Mul", {x, b})})});
}

std::string Gelu(const LayerParts& parts, const std::string& x) {
  GraphWriter& graph = parts.graph;
  const v1::Gelu& config = parts.config.activation().gelu();
  if (config.form() == v1::Gelu::FORM_SIGMOID) return SigmoidGate(graph, x, graph.Number(1.702));
  std::string gate;
  if (config.form() == v1::Gelu::FORM_TANH) {
    const std::string cube = graph.Op("Mul", {graph.Op("Mul", {x, x}), x});
    const std::string inner = graph.Op("Add", {x, graph.Op("Mul", {cube, graph.Number(0.044715)})});
    gate = graph.Op("Tanh", {graph.Op("Mul", {inner, graph.Number(std::numbers::sqrt2 * std::numbers::inv_sqrtpi)})});
  } else {
    gate = graph.Op("Erf", {graph.Op("Mul", {x, graph.Number(1 / std::numbers::sqrt2)})});
  }
  const std::string half = graph.Op("Mul", {x, graph.Number(0.5)});
  return graph.Op("Mul", {half, graph.Op("Add", {gate, graph.Number(1)})});
}

std::string Swish(const LayerParts& parts, const std::string& x) {
  const v1::Swish& config = parts.config.activation().swish();
  return SigmoidGate(parts.graph, x, config.learned() ? parts.Weight("beta") : parts.graph.Number(config.beta()));
}

std::string Silu(const LayerParts& parts, const std::string& x) {
  return parts.graph.Op("Mul", {x, parts.graph.Op("Sigmoid", {x})});
}

// The operator's own slope is 0.2.
std::string Hardsigmoid(const LayerParts& parts, const std::string& x) {
  return parts.graph.Op("HardSigmoid", {x}, {{"alpha", 1.0 / 6}, {"beta", 0.5}});
}

std::string Mish(const LayerParts& parts, const std::string& x) {
  return parts.graph.Op("Mul", {x, parts.graph.Op("Tanh", {parts.graph.Op("Softplus", {x})})});
}

}  // namespace

ActivationForm FindActivationForm(absl::string_view kind) {
  static const std::map<absl::string_view, ActivationForm> forms = {
      {"identity", Plain<kIdentity>},
      {"sigmoid", Plain<kSigmoid>},
      {"tanh", Plain<kTanh>},
      {"relu", Plain<kRelu>},
      {"leaky_relu", LeakyRelu},
      {"prelu", Prelu},
      {"maxout", Maxout},
      {"elu", Elu},
      {"selu", Selu},
      {"gelu", Gelu},
      {"softplus", Plain<kSoftplus>},
      {"swish", Swish},
      {"hardswish", Plain<kHardSwish>},
      {"mish", Mish},
      {"silu", Silu},
      {"hardsigmoid", Hardsigmoid},
  };
  const auto found = forms.find(kind);
  return found == forms.end() ? nullptr : found->second;
}

}  // namespace traind::core::onnx
