#include "tests/bench/networks.h"

#include "absl/strings/str_cat.h"

namespace traind::bench {
namespace {

// The penalty whose gradient is the 5e-4 w of the peer's weight_decay.
constexpr char kPenalty[] = "regularizers { l2 { strength: 2.5e-4 } } ";
constexpr char kRelu[] = "activation { relu {} } ";

std::string Dense(const std::string& name, int units, const std::string& activation = kRelu) {
  return absl::StrCat("layers { name: '", name, "' dense { units: ", units, " } ", activation, "} ");
}

std::string ConvBnRelu(const std::string& name, int channels) {
  return absl::StrCat("layers { name: '", name, "' conv2d { out_channels: ", channels,
                      " kernel: 3 padding { amount: 1 } bias: false } } layers { name: '", name, "_bn' batch_norm {} ",
                      kRelu, "} ");
}

std::string MlpSmall() {
  return absl::StrCat("input_shape: 784 ", kPenalty, Dense("fc1", 512), Dense("fc2", 512), Dense("out", 10, ""));
}

std::string Mlp6x4096() {
  std::string layers;
  for (int i = 1; i <= 6; ++i) layers += Dense(absl::StrCat("fc", i), 4096);
  return absl::StrCat("input_shape: 4096 ", kPenalty, layers, Dense("out", 10, ""));
}

std::string Cnn28() {
  const std::string pool = "max_pool { kernel: 2 } } ";
  return absl::StrCat("input_shape: [1, 28, 28] ", kPenalty, ConvBnRelu("conv1", 32), ConvBnRelu("conv2", 32),
                      "layers { name: 'pool1' ", pool, ConvBnRelu("conv3", 64), ConvBnRelu("conv4", 64),
                      "layers { name: 'pool2' ", pool, "layers { name: 'flat' flatten {} } ", Dense("out", 10, ""));
}

}  // namespace

const std::vector<ReferenceNetwork>& ReferenceNetworks() {
  static const std::vector<ReferenceNetwork> networks = {
      {"mlp_small", 128, MlpSmall()}, {"mlp_6x4096", 256, Mlp6x4096()}, {"cnn28", 128, Cnn28()}};
  return networks;
}

}  // namespace traind::bench
