#include "tests/insight/healthy.h"

#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "google/protobuf/text_format.h"

namespace traind::insight {
namespace {

// As the text of a job file.
std::string ActivationText(const std::string& kind) { return absl::StrCat(" activation { ", kind, " {} }"); }

std::string InitText(const std::string& kind) {
  return kind == "tanh" || kind == "selu" ? " weight_init { xavier {} }" : "";
}

std::string Dense(const std::string& name, int units, const std::string& activation) {
  return absl::StrCat("layers { name: '", name, "' dense { units: ", units, InitText(activation), " }",
                      activation.empty() ? "" : ActivationText(activation), " }\n");
}

std::string Conv(const std::string& name, int channels, int kernel, const std::string& activation,
                 const std::string& more = "") {
  return absl::StrCat("layers { name: '", name, "' conv2d { out_channels: ", channels, " kernel: ", kernel,
                      " padding { mode: MODE_SAME } ", more, InitText(activation), " }",
                      activation.empty() ? "" : ActivationText(activation), " }\n");
}

std::string Pool(const std::string& name) {
  return absl::StrCat("layers { name: '", name, "' max_pool { kernel: 2 } }\n");
}

std::string Norm(const std::string& name, const std::string& activation) {
  return absl::StrCat("layers { name: '", name, "' batch_norm {}", activation.empty() ? "" : ActivationText(activation),
                      " }\n");
}

std::string Lenet(const std::string& activation) {
  return absl::StrCat(Conv("conv1", 6, 5, activation), Pool("pool1"), Conv("conv2", 12, 5, activation), Pool("pool2"),
                      Dense("hidden", 64, activation));
}

std::string Mlp(const std::string& activation, int depth) {
  std::string text;
  for (int i = 1; i <= depth; ++i) absl::StrAppend(&text, Dense(absl::StrCat("hidden", i), 48, activation));
  return text;
}

std::string Cnn(const std::string& activation, int depth) {
  std::string text;
  for (int i = 1; i <= depth; ++i) {
    absl::StrAppend(&text, Conv(absl::StrCat("conv", i), i <= 2 ? 8 : 12, 3, activation));
    if (i == 1 || i == 3 || i == 6) absl::StrAppend(&text, Pool(absl::StrCat("pool", i)));
  }
  return text;
}

// The activation after the sum is a layer of its own.
std::string Residual(const std::string& activation, int depth, bool image) {
  std::string text = image ? Conv("stem", 8, 3, "", "stride: 2") : Dense("stem", 32, "");
  absl::StrAppend(&text, Norm("stem_norm", activation));
  for (int i = 1; i <= depth; ++i) {
    const int width = image ? (i <= 2 ? 8 : 16) : 32;
    const std::string stride = image && i == 3 ? "stride: 2" : "";
    absl::StrAppend(&text, "layers { name: 'block", i, "' block { residual {\n",
                    image ? Conv("one", width, 3, "", stride) : Dense("one", width, ""), Norm("norm1", activation),
                    image ? Conv("two", width, 3, "") : Dense("two", width, ""), Norm("norm2", ""), "} }",
                    ActivationText(activation), " }\n");
  }
  return image ? text + "layers { name: 'mean' global_avg_pool {} }\n" : text;
}

int DepthOf(Net net) { return net == Net::kResidual ? 5 : 8; }

std::string NetworkText(Net net, Data data, const Style& style) {
  const std::string activation = *style.activation == '\0' ? "relu" : style.activation;
  const int depth = style.depth > 0 ? style.depth : DepthOf(net);
  std::string text = net == Net::kLenet ? Lenet(activation)
                     : net == Net::kMlp ? Mlp(activation, depth)
                     : net == Net::kCnn ? Cnn(activation, depth)
                                        : Residual(activation, depth, IsImage(data));
  if (style.dropout > 0) absl::StrAppend(&text, "layers { name: 'drop' dropout { rate: ", style.dropout, " } }\n");
  return absl::StrCat("network {\n", text, Dense("out", NumClasses(data), ""), "}\n");
}

std::string OptimizerText(Net net) {
  return net == Net::kLenet || net == Net::kResidual ? "sgd { momentum: 0.9 } learning_rate: 0.02"
                                                     : "adam {} learning_rate: 0.002";
}

void Collect(google::protobuf::RepeatedPtrField<v1::Layer>& layers, const std::string& prefix,
             std::vector<Weighted>& found) {
  for (v1::Layer& layer : layers) {
    if (layer.has_block())
      Collect(*layer.mutable_block()->mutable_residual()->mutable_layers(), prefix + layer.name() + ".", found);
    if (layer.has_dense() || layer.has_conv2d())
      found.push_back({&layer, prefix + layer.name(), layer.name() == "out"});
  }
}

void Visit(google::protobuf::RepeatedPtrField<v1::Layer>& layers, const std::function<void(v1::Layer&)>& change) {
  for (v1::Layer& layer : layers) {
    change(layer);
    if (layer.has_block()) Visit(*layer.mutable_block()->mutable_residual()->mutable_layers(), change);
  }
}

}  // namespace

std::string NameOf(Net net) {
  constexpr const char* kNames[] = {"lenet", "mlp", "cnn", "residual"};
  return kNames[static_cast<int>(net)];
}

bool Fits(Net net, Data data) { return IsImage(data) || net == Net::kMlp || net == Net::kResidual; }

const std::vector<Style>& Styles(Series series) {
  static const auto& held_out = *new std::vector<Style>{
      {.depth = 6, .batch = 48},
      {.name = "silu", .activation = "silu"},
      {.name = "mish", .activation = "mish"},
      {.name = "elu_adam", .activation = "elu", .optimizer = "adam {} learning_rate: 0.001"},
      {.name = "adamw", .optimizer = "adamw {} learning_rate: 0.002"},
      {.name = "adam_cosine", .optimizer = "adam {} learning_rate: 0.003 schedule { cosine {} }"},
      {.name = "sgd_linear", .optimizer = "sgd { momentum: 0.9 } learning_rate: 0.02 schedule { linear {} }"},
      {.name = "adagrad", .optimizer = "adagrad {} learning_rate: 0.02"},
      {.name = "slow_rmsprop", .optimizer = "rmsprop {} learning_rate: 0.0005"},
      {.name = "four", .depth = 4},
      {.name = "ten", .depth = 10},
      {.name = "batch_24", .batch = 24},
      {.name = "batch_96", .batch = 96},
      {.name = "half_dropout", .dropout = 0.5},
      {.name = "tanh_clipped",
       .activation = "tanh",
       .optimizer = "sgd { momentum: 0.9 } learning_rate: 0.02 clip_norm: 1"},
  };
  static const auto& styles = *new std::vector<Style>{
      {},
      {.name = "tanh", .activation = "tanh"},
      {.name = "leaky_relu", .activation = "leaky_relu"},
      {.name = "elu", .activation = "elu"},
      {.name = "gelu", .activation = "gelu"},
      {.name = "selu", .activation = "selu"},
      {.name = "adam", .optimizer = "adam {} learning_rate: 0.001"},
      {.name = "sgd", .optimizer = "sgd { momentum: 0.9 nesterov: true } learning_rate: 0.01"},
      {.name = "rmsprop", .optimizer = "rmsprop {} learning_rate: 0.001"},
      {.name = "adamw_cosine",
       .optimizer = "adamw {} learning_rate: 0.003 weight_decay: 0.05 schedule { cosine {} warmup_steps: 20 }"},
      {.name = "shallow", .depth = 3},
      {.name = "deep", .depth = 12},
      {.name = "small_batch", .batch = 16},
      {.name = "large_batch", .batch = 64},
      {.name = "dropout", .dropout = 0.3},
      {.name = "clipped", .optimizer = "sgd { momentum: 0.9 } learning_rate: 0.02 clip_norm: 1"},
  };
  return series == Series::kHeldOut ? held_out : styles;
}

bool Fits(const Style& style, Net net) { return net != Net::kLenet || style.depth == 0 || style.batch > 0; }

v1::JobSpec Healthy(Net net, Data data, const Style& style, uint64_t seed) {
  const std::string optimizer = *style.optimizer == '\0' ? OptimizerText(net) : style.optimizer;
  const std::string text = absl::StrCat(
      NetworkText(net, data, style), "data { dataset: '", NameOf(data), "-", NameOf(Change::kNone),
      "' preprocessing { standardize {} } }\n", "optimizer { ", optimizer, " }\n",
      "batch_size: ", style.batch > 0 ? style.batch : 32, " steps: ", kSteps, " seed: ", seed, " threads: 1\n",
      "metrics_every_steps: 1 statistics { every_steps: ", kStatisticsEvery, " }\n",
      "evaluation { every_steps: ", kEvaluationEvery, " } checkpoint { every { seconds: 0 } keep_last: 1 }\n");
  v1::JobSpec spec;
  if (!google::protobuf::TextFormat::ParseFromString(text, &spec)) std::abort();  // Our own text: told on stderr.
  return spec;
}

double Bar(Data data) {
  constexpr double kBars[] = {0.72, 0.85, 0.85, 0.85, 0.7};
  return kBars[static_cast<int>(data)];
}

std::vector<Weighted> WeightedLayers(v1::JobSpec& spec) {
  std::vector<Weighted> found;
  Collect(*spec.mutable_network()->mutable_layers(), "", found);
  return found;
}

std::vector<Weighted> HiddenLayers(v1::JobSpec& spec) {
  std::vector<Weighted> hidden;
  for (const Weighted& one : WeightedLayers(spec)) {
    if (!one.last && one.layer->name() != "two") hidden.push_back(one);
  }
  return hidden;
}

v1::Initializer& WeightInitOf(v1::Layer& layer) {
  return layer.has_dense() ? *layer.mutable_dense()->mutable_weight_init()
                           : *layer.mutable_conv2d()->mutable_weight_init();
}

v1::Initializer& BiasInitOf(v1::Layer& layer) {
  return layer.has_dense() ? *layer.mutable_dense()->mutable_bias_init() : *layer.mutable_conv2d()->mutable_bias_init();
}

void ForEachLayer(v1::JobSpec& spec, const std::function<void(v1::Layer& layer)>& change) {
  Visit(*spec.mutable_network()->mutable_layers(), change);
}

}  // namespace traind::insight
