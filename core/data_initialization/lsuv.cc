// Layer-sequential unit variance (Mishkin & Matas 2015, slide 67): orthogonal weights; then, from the input on, each
// layer's weights are divided by the standard deviation of its output before the activation, until that is 1.
#include <cmath>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/require.h"
#include "core/data_initialization/data_initializer.h"
#include "core/data_initialization/network_under_data.h"
#include "core/kinds/initializer.h"

namespace traind::core {
namespace {

using WeightLayer = NetworkUnderData::WeightLayer;
using Moments = NetworkUnderData::Moments;

// The API's most, far above use: the output is linear in the weights, so one or two mostly suffice.
constexpr uint32_t kMaxIterations = 100;

// Of all units together.
Moments Joint(const std::vector<Moments>& units) {
  double mean = 0, squares = 0;
  for (const Moments& unit : units) {
    mean += unit.mean;
    squares += unit.variance + unit.mean * unit.mean;
  }
  const auto n = static_cast<double>(units.size());
  mean /= n;
  return {.mean = mean, .variance = squares / n - mean * mean};
}

class Lsuv final : public DataInitializer {
 public:
  explicit Lsuv(const v1::Lsuv& config) : tolerance_(config.tolerance()), max_iterations_(config.max_iterations()) {}

  absl::Status Run(NetworkUnderData& network) const override {
    for (const WeightLayer& layer : network.layers()) {
      MakeOrthogonal(network, layer);
      if (absl::Status status = Scale(network, layer); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

 private:
  // Weights that start as zeros or constants were meant to.
  static void MakeOrthogonal(NetworkUnderData& network, const WeightLayer& layer) {
    const ParameterSpec& spec = *layer.weight->spec;
    FieldErrors::Root errors;  // The graph has validated the one config, and the other is right.
    v1::Initializer own = spec.initializer;
    const auto random = Registry<Initializer>::Get().Create(own, errors.scope());
    if (random == nullptr || !random->breaks_symmetry()) return;
    v1::Initializer config;
    config.mutable_orthogonal();
    std::vector<float> values(Elements(spec.shape));
    Registry<Initializer>::Get()
        .Create(config, errors.scope())
        ->Fill(spec.shape, {.in = spec.fan_in, .out = spec.fan_out},
               RandomStream(network.seed(), Purpose::kInitialize, StreamOf(layer.weight->name)),
               absl::MakeSpan(values));
    network.Set(*layer.weight, values);
  }

  absl::Status Scale(NetworkUnderData& network, const WeightLayer& layer) const {
    for (uint32_t i = 0;; ++i) {
      const auto units = network.Measure(layer);
      if (!units.ok()) return units.status();
      const Moments output = Joint(*units);
      if (!output.varies()) {
        network.Warn(absl::StrCat("layer \"", layer.name,
                                  "\": its output does not vary over the data, so lsuv left it as it is"));
        return absl::OkStatus();
      }
      if (std::abs(output.variance - 1) <= tolerance_) return absl::OkStatus();
      if (i == max_iterations_) {
        network.Warn(absl::StrCat("layer \"", layer.name, "\": lsuv stopped at the variance ", output.variance,
                                  " after ", max_iterations_, " iterations"));
        return absl::OkStatus();
      }
      std::vector<float> weights = network.Get(*layer.weight);
      const double scale = 1 / std::sqrt(output.variance);
      for (float& w : weights) w = static_cast<float>(w * scale);
      network.Set(*layer.weight, weights);
    }
  }

  const double tolerance_;
  const uint32_t max_iterations_;
};

const Registered<DataInitializer, v1::Lsuv> kLsuv(
    "Orthogonal weights, then unit output variance layer by layer (slide 67).",
    [](v1::Lsuv& config, const FieldErrors& errors) {
      if (!config.has_tolerance()) config.set_tolerance(0.01);
      if (!config.has_max_iterations()) config.set_max_iterations(10);
      Require(IsPositiveFloat(config.tolerance()), errors, "tolerance", "finite and above 0", config.tolerance());
      Require(config.max_iterations() >= 1 && config.max_iterations() <= kMaxIterations, errors, "max_iterations",
              absl::StrCat("1 to ", kMaxIterations), config.max_iterations());
      return std::make_unique<Lsuv>(config);
    });

}  // namespace
}  // namespace traind::core
