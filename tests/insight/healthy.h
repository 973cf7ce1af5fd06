// Healthy jobs of the benchmark of insight: four networks on five kinds of data, and the styles in which people write
// them. Small: some hundred steps, a second or so on one thread.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tests/insight/data.h"
#include "traind/v1/job.pb.h"

namespace traind::insight {

enum class Net : uint8_t {
  kLenet,     // Two convolutions and two dense layers, of images.
  kMlp,       // Eight hidden dense layers.
  kCnn,       // Eight convolutions, of images.
  kResidual,  // Five residual blocks with batch norm: of convolutions for images, else of dense layers.
};
inline constexpr std::array kAllNets = {Net::kLenet, Net::kMlp, Net::kCnn, Net::kResidual};
std::string NameOf(Net net);
// Whether the network reads such data.
bool Fits(Net net, Data data);

// What may differ between healthy jobs. Absent (empty, 0): as the network has it.
struct Style {
  const char* name = "base";
  const char* activation = "";  // "tanh"; its weights start as it wants them.
  const char* optimizer = "";   // "adam {} learning_rate: 0.001"
  int depth = 0;                // Hidden layers, or residual blocks. LeNet has one depth.
  int batch = 0;
  double dropout = 0;  // Before the last layer.
};
// The base first. Those that are held out are others.
const std::vector<Style>& Styles(Series series = Series::kTuning);
bool Fits(const Style& style, Net net);

inline constexpr uint64_t kSteps = 300;
inline constexpr uint32_t kStatisticsEvery = 5, kEvaluationEvery = 20;

// Resolves on the data "clean" of the kind. Data and optimizer stand in the spec, so that faults change them.
v1::JobSpec Healthy(Net net, Data data, const Style& style, uint64_t seed);

// What a job of this data has to reach to count as healthy: accuracy, or R squared of a regression, on the test split.
double Bar(Data data);

// A layer with weights proper, and its full name ("block2.conv1"). `last`: it gives the network's outputs.
struct Weighted {
  v1::Layer* layer;
  std::string name;
  bool last;
};
// In the order of the network, those of residual blocks too.
std::vector<Weighted> WeightedLayers(v1::JobSpec& spec);
// Those whose outputs go through an activation: all but the last, and but for the last of each residual block.
std::vector<Weighted> HiddenLayers(v1::JobSpec& spec);
v1::Initializer& WeightInitOf(v1::Layer& layer);
v1::Initializer& BiasInitOf(v1::Layer& layer);
// Calls `change` with each layer, and with those of residual blocks.
void ForEachLayer(v1::JobSpec& spec, const std::function<void(v1::Layer& layer)>& change);

}  // namespace traind::insight
