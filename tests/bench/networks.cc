#include "tests/bench/networks.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace traind::bench {
namespace {

// The penalty whose gradient is the 5e-4 w of the peer's weight_decay.
constexpr char kPenalty[] = "regularizers { l2 { strength: 2.5e-4 } } ";
constexpr char kRelu[] = "activation { relu {} } ";

std::string Dense(const std::string& name, int units, const std::string& activation = kRelu) {
  return absl::StrCat("layers { name: '", name, "' dense { units: ", units, " } ", activation, "} ");
}

// A convolution without bias, with the padding that keeps an image's size at stride 1, and batch norm. `input` is the
// layer it reads, where that is not the one before it.
std::string ConvBn(const std::string& name, int channels, int kernel, int stride, const std::string& activation,
                   const std::string& input = "") {
  return absl::StrCat("layers { name: '", name, "' ", input.empty() ? "" : absl::StrCat("inputs: '", input, "' "),
                      "conv2d { out_channels: ", channels, " kernel: ", kernel, " stride: ", stride,
                      " padding { amount: ", kernel / 2, " } bias: false } } layers { name: '", name,
                      "_bn' batch_norm {} ", activation, "} ");
}

std::string ConvBnRelu(const std::string& name, int channels) { return ConvBn(name, channels, 3, 1, kRelu); }

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

// Two 3x3 convolutions and what they read, added up; through a 1x1 convolution where the shape changes.
std::string ResidualBlock(const std::string& name, const std::string& input, int channels, int stride, bool project) {
  std::string block = ConvBn(name + "_a", channels, 3, stride, kRelu, input) + ConvBn(name + "_b", channels, 3, 1, "");
  if (project) block += ConvBn(name + "_shortcut", channels, 1, stride, "", input);
  const std::string shortcut = project ? name + "_shortcut_bn" : input;
  return absl::StrCat(block, "layers { name: '", name, "' inputs: ['", name, "_b_bn', '", shortcut, "'] add {} ", kRelu,
                      "} ");
}

// A 3x3 stem and stages of residual blocks, each stage twice as wide as the one before and half as large.
std::string Resnet(const std::string& input_shape, int width, int stages, int blocks) {
  std::string layers = ConvBnRelu("stem", width), input = "stem_bn";
  for (int stage = 0; stage < stages; ++stage) {
    for (int block = 0; block < blocks; ++block) {
      const bool first = stage > 0 && block == 0;
      const std::string name = absl::StrCat("block", stage + 1, std::string(1, static_cast<char>('a' + block)));
      layers += ResidualBlock(name, input, width << stage, first ? 2 : 1, first);
      input = name;
    }
  }
  return absl::StrCat("input_shape: ", input_shape, " ", kPenalty, layers,
                      "layers { name: 'pool' global_avg_pool {} } ", Dense("out", 10, ""));
}

// Thirteen 3x3 convolutions in five groups, each with a pool behind it, and two dense layers with dropout.
std::string Vgg16Cifar() {
  std::string layers;
  int convolution = 0, group = 0;
  for (const auto& [count, channels] : {std::pair{2, 64}, {2, 128}, {3, 256}, {3, 512}, {3, 512}}) {
    for (int i = 0; i < count; ++i) layers += ConvBnRelu(absl::StrCat("conv", ++convolution), channels);
    absl::StrAppend(&layers, "layers { name: 'pool", ++group, "' max_pool { kernel: 2 } } ");
  }
  const std::string dropout = " dropout { rate: 0.5 } } ";
  return absl::StrCat("input_shape: [3, 32, 32] ", kPenalty, layers,
                      "layers { name: 'flat' flatten {} } layers { name: 'drop1'", dropout, Dense("fc1", 512),
                      "layers { name: 'drop2'", dropout, Dense("out", 10, ""));
}

// Three dense blocks of twelve layers that add 12 channels each.
std::string Densenet40Cifar() {
  return absl::StrCat("input_shape: [3, 32, 32] ", kPenalty, "preset { densenet { classes: 10 } }");
}

// As MobileNet (Howard et al. 2017), for small images: depthwise convolutions with 1x1 convolutions between them.
std::string MobileCifar() {
  std::string layers = ConvBnRelu("stem", 32);
  int number = 0;
  for (const auto& [channels, stride] : {std::pair{64, 1}, {128, 2}, {128, 1}, {256, 2}, {256, 1}, {512, 2}}) {
    const std::string name = absl::StrCat("deep", ++number);
    absl::StrAppend(&layers, "layers { name: '", name, "' depthwise_conv2d { kernel: 3 stride: ", stride,
                    " padding { amount: 1 } bias: false } } layers { name: '", name, "_bn' batch_norm {} ", kRelu,
                    "} layers { name: 'point", number, "' conv2d { out_channels: ", channels,
                    " kernel: 1 bias: false } } layers { name: 'point", number, "_bn' batch_norm {} ", kRelu, "} ");
  }
  return absl::StrCat("input_shape: [3, 32, 32] ", kPenalty, layers, "layers { name: 'pool' global_avg_pool {} } ",
                      Dense("out", 10, ""));
}

// Three convolutions over 128 readings of nine sensors.
std::string Conv1dSeries() {
  std::string layers = "layers { name: 'sequence' to_sequence {} } ";
  for (int i = 1; i <= 3; ++i) {
    absl::StrAppend(&layers, "layers { name: 'conv", i, "' conv1d { out_channels: 64 kernel: 5 padding { amount: 2 } ",
                    "bias: false } } layers { name: 'conv", i, "_bn' batch_norm {} ", kRelu, "} ");
  }
  return absl::StrCat("input_shape: [9, 1, 128] ", kPenalty, layers, "layers { name: 'pool' global_max_pool {} } ",
                      Dense("out", 10, ""));
}

std::string VitSmall() {
  return absl::StrCat("input_shape: [3, 32, 32] ", kPenalty, "preset { vit_tiny { classes: 10 width: 96 depth: 4 } }");
}

std::string TextCnn() {
  return absl::StrCat("input_shape: 64 ", kPenalty,
                      "preset { text_cnn { classes: 10 vocabulary: 5000 features: 100 channels: 100 } }");
}

}  // namespace

const std::vector<ReferenceNetwork>& ReferenceNetworks() {
  static const std::vector<ReferenceNetwork> networks = {
      {"mlp_small", 128, MlpSmall()},
      {"mlp_6x4096", 256, Mlp6x4096()},
      {"cnn28", 128, Cnn28()},
      {"resnet20_narrow", 128, Resnet("[1, 28, 28]", /*width=*/8, /*stages=*/3, /*blocks=*/3)},
      {"resnet18_cifar", 64, Resnet("[3, 32, 32]", /*width=*/64, /*stages=*/4, /*blocks=*/2)},
      {"vgg16_cifar", 64, Vgg16Cifar()},
      {"densenet40_cifar", 64, Densenet40Cifar()},
      {"mobile_cifar", 64, MobileCifar()},
      {"conv1d_series", 64, Conv1dSeries()},
      {"vit_small", 64, VitSmall()},
      {"text_cnn", 64, TextCnn(), /*tokens=*/5000}};
  return networks;
}

}  // namespace traind::bench
