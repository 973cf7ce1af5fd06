// Kraehenbuehl et al. 2015 (slide 67). Within a layer: each unit's weights are divided by the standard deviation of its
// output before the activation, and its bias takes the mean away. Between layers: with weights r_k W_k, where the
// product of all r_k is 1, and biases scaled by r_1 ... r_k, a positively homogeneous network computes the same
// function, while the gradient of W_k becomes 1 / r_k of what it was; so the rate of change C_k = |gradient of W_k| /
// |W_k| becomes C_k / r_k^2, and r_k = sqrt(C_k / geometric mean of all C) makes the rates equal in one go.
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/data_initialization/data_initializer.h"
#include "core/data_initialization/network_under_data.h"

namespace traind::core {
namespace {

using WeightLayer = NetworkUnderData::WeightLayer;
using Moments = NetworkUnderData::Moments;

// The component of the node that is not positively homogeneous; empty when it is.
std::string OtherKind(const Node& node) {
  if (node.layer != nullptr && !node.layer->traits().homogeneous) return node.kind;
  return node.activation != nullptr && !node.activation->traits().homogeneous ? node.activation_kind : "";
}

double NormOf(const std::vector<float>& values) {
  double squares = 0;
  for (const float v : values) squares += static_cast<double>(v) * static_cast<double>(v);
  return std::sqrt(squares);
}

void Scale(NetworkUnderData& network, StoredParameter* parameter, double factor) {
  if (parameter == nullptr) return;
  std::vector<float> values = network.Get(*parameter);
  for (float& v : values) v = static_cast<float>(v * factor);
  network.Set(*parameter, values);
}

class DataDependent final : public DataInitializer {
 public:
  explicit DataDependent(const v1::DataDependent& config) : balance_rates_(config.balance_rates()) {}

  bool needs_gradients() const override { return balance_rates_; }

  void Check(const Graph& graph, const FieldErrors& errors) const override {
    if (!balance_rates_) return;
    for (int i = 0; i < static_cast<int>(graph.nodes().size()); ++i) {
      const Node& node = graph.nodes()[i];
      const bool chained = node.inputs == std::vector<int>{i - 1};
      if (chained && OtherKind(node).empty()) continue;
      errors.At("balance_rates")
          .Add(absl::StrCat("needs a chain of layers and activations with f(a x) = a f(x) for a > 0; layer \"",
                            node.name, "\" ", chained ? "has " + OtherKind(node) : "is not part of a chain"));
      return;
    }
  }

  absl::Status Run(NetworkUnderData& network) const override {
    for (const WeightLayer& layer : network.layers()) {
      if (absl::Status status = NormalizeUnits(network, layer); !status.ok()) return status;
    }
    return balance_rates_ ? BalanceRates(network) : absl::OkStatus();
  }

 private:
  static absl::Status NormalizeUnits(NetworkUnderData& network, const WeightLayer& layer) {
    const auto units = network.Measure(layer);
    if (!units.ok()) return units.status();
    std::vector<float> weights = network.Get(*layer.weight);
    std::vector<float> bias = layer.bias ? network.Get(*layer.bias) : std::vector<float>(layer.units);
    const int64_t row = static_cast<int64_t>(weights.size()) / layer.units;
    int64_t constant = 0;
    for (int64_t u = 0; u < layer.units; ++u) {
      const Moments& unit = (*units)[u];
      if (!unit.varies()) {
        ++constant;
        continue;
      }
      const double scale = 1 / std::sqrt(unit.variance);
      for (int64_t i = u * row; i < (u + 1) * row; ++i) weights[i] = static_cast<float>(weights[i] * scale);
      bias[u] = static_cast<float>((bias[u] - unit.mean) * scale);
    }
    network.Set(*layer.weight, weights);
    if (layer.bias) network.Set(*layer.bias, bias);
    if (constant > 0) {
      network.Warn(absl::StrCat("layer \"", layer.name, "\": the output of ", constant, " of ", layer.units,
                                " units does not vary over the data, so data_dependent left them as they are"));
    }
    return absl::OkStatus();
  }

  static absl::Status BalanceRates(NetworkUnderData& network) {
    const auto& layers = network.layers();
    auto rates = network.GradientNorms();
    if (!rates.ok()) return rates.status();
    double logarithms = 0;
    for (size_t k = 0; k < layers.size(); ++k) {
      double& rate = (*rates)[k];
      rate /= NormOf(network.Get(*layers[k].weight));
      if (!(std::isfinite(rate) && rate > 0)) {
        network.Warn(absl::StrCat("layer \"", layers[k].name, "\": its gradient over the norm of its weights is ", rate,
                                  ", so balance_rates left all layers as they are"));
        return absl::OkStatus();
      }
      logarithms += std::log(rate);
    }
    const double mean = std::exp(logarithms / static_cast<double>(layers.size()));
    double so_far = 1;
    for (size_t k = 0; k < layers.size(); ++k) {
      const double factor = std::sqrt((*rates)[k] / mean);
      so_far *= factor;
      Scale(network, layers[k].weight, factor);
      Scale(network, layers[k].bias, so_far);
    }
    return absl::OkStatus();
  }

  const bool balance_rates_;
};

const Registered<DataInitializer, v1::DataDependent> kDataDependent(
    "Mean 0 and variance 1 of each unit over the data; equal rates of change of the layers (slide 67).",
    [](v1::DataDependent& config, const FieldErrors& /*errors*/) { return std::make_unique<DataDependent>(config); });

}  // namespace
}  // namespace traind::core
