// Gradients of every registered layer, with its options, through real plans. At float32 against central differences of
// the loss: of the layer's own parameters and of those of a layer before it, which shows that the gradient for its
// input is right. At bfloat16, where differences drown in rounding, against the float32 gradients.
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <ostream>
#include <set>
#include <string>
#include <vector>

#include "core/onednn/onednn.h"
#include "gtest/gtest.h"
#include "tests/support/planned_network.h"

namespace traind::core {
namespace {

constexpr int64_t kBatch = 3;

struct Case {
  std::string name;
  std::string network;
  bool winograd = false;
  double bf16_tolerance = 0.05;  // Of the gradient's norm.
};

// `layers` behind a convolution of one pixel that makes `channels` of an image of three.
std::string OnImage(int channels, const std::string& layers) {
  return "input_shape: [3, 7, 6] layers { name: 'pre' conv2d { out_channels: " + std::to_string(channels) +
         " kernel: 1 } } " + layers;
}

// `layers` behind a dense layer that makes `features`.
std::string OnFeatures(int features, const std::string& layers) {
  return "input_shape: [9] layers { name: 'pre' dense { units: " + std::to_string(features) + " } } " + layers;
}

std::string Named(const std::string& kind) { return "layers { name: 'it' " + kind + " } "; }

std::string Conv(const std::string& options) { return Named("conv2d { " + options + " }"); }

std::string Conv1d(const std::string& options) { return Named("conv1d { " + options + " }"); }

const char kPairOfImages[] =
    "layers { name: 'a' inputs: 'pre' conv2d { out_channels: %A kernel: 3 padding { mode: MODE_SAME } } } "
    "layers { name: 'b' inputs: 'pre' conv2d { out_channels: %B kernel: 1 } } ";

std::string PairOfImages(int a, int b) {
  std::string text = kPairOfImages;
  text.replace(text.find("%A"), 2, std::to_string(a));
  text.replace(text.find("%B"), 2, std::to_string(b));
  return text;
}

// `layers` behind a convolution of one pixel and to_sequence: [features, 20], of an image of 5 x 4.
std::string OnSequence(int features, const std::string& layers) {
  return "input_shape: [3, 5, 4] layers { name: 'pre' conv2d { out_channels: " + std::to_string(features) +
         " kernel: 1 } } layers { name: 'sequence' to_sequence {} } " + layers;
}

// `layers` that read 9 token ids.
std::string OnTokens(const std::string& layers) { return "input_shape: [9] " + layers; }

std::vector<Case> Cases() {
  const std::string after = "layers { name: 'post' dense { units: 4 } } ";
  const std::string two = " inputs: 'a' inputs: 'b' ";
  const std::string features =
      "layers { name: 'a' inputs: 'pre' dense { units: 5 } } layers { name: 'b' inputs: 'pre' dense { units: 5 } } ";
  const std::string means = "layers { name: 'means' inputs: 'pre' global_avg_pool {} activation { sigmoid {} } } ";
  const std::string scaled = " inputs: 'pre' inputs: 'means' ";
  return {
      {"conv", OnImage(16, Conv("out_channels: 32 kernel: 3"))},
      {"conv_few_channels", OnImage(3, Conv("out_channels: 17 kernel: 3"))},
      {"conv_to_few_channels", OnImage(17, Conv("out_channels: 3 kernel: 3 padding { amount: 1 }"))},
      {"conv_same_stride", OnImage(16, Conv("out_channels: 16 kernel: 3 stride: 2 padding { mode: MODE_SAME }"))},
      {"conv_same_even", OnImage(8, Conv("out_channels: 5 kernel: [2, 4] padding { mode: MODE_SAME }"))},
      {"conv_dilation", OnImage(16, Conv("out_channels: 16 kernel: 3 dilation: 2 padding { mode: MODE_SAME }"))},
      {"conv_groups", OnImage(32, Conv("out_channels: 32 kernel: 3 groups: 2"))},
      {"conv_small_groups", OnImage(6, Conv("out_channels: 9 kernel: 3 groups: 3"))},
      {"conv_depthwise", OnImage(16, Conv("out_channels: 16 kernel: 3 groups: 16 padding { amount: 1 }"))},
      {"conv_asymmetric", OnImage(4, Conv("out_channels: 6 kernel: 3 padding { amount: [0, 1, 2, 1] }"))},
      {"conv_rectangular", OnImage(16, Conv("out_channels: 16 kernel: [1, 3] stride: [2, 1]"))},
      {"conv_no_bias", OnImage(16, Conv("out_channels: 16 kernel: 3 bias: false"))},
      {"conv_relu", OnImage(16, Named("conv2d { out_channels: 16 kernel: 3 } activation { relu {} }"))},
      {"conv_tanh", OnImage(3, Named("conv2d { out_channels: 5 kernel: 3 } activation { tanh {} }"))},
      {"conv_maxout", OnImage(3, Named("conv2d { out_channels: 5 kernel: 3 } activation { maxout { pieces: 3 } }"))},
      {"conv_winograd", OnImage(32, Conv("out_channels: 32 kernel: 3 padding { amount: 1 }")), /*winograd=*/true},
      {"conv_winograd_relu",
       OnImage(16, Named("conv2d { out_channels: 17 kernel: 3 padding { amount: 1 } } activation { relu {} }")),
       /*winograd=*/true},
      {"depthwise", OnImage(16, Named("depthwise_conv2d { kernel: 3 padding { amount: 1 } }"))},
      {"depthwise_multiplier", OnImage(5, Named("depthwise_conv2d { multiplier: 3 kernel: [2, 3] stride: 2 }"))},
      {"depthwise_same_relu", OnImage(17, Named("depthwise_conv2d { kernel: 3 stride: 2 padding { mode: MODE_SAME } "
                                                "bias: false } activation { relu {} }"))},
      {"transpose", OnImage(16, Named("conv_transpose2d { out_channels: 32 kernel: 3 }"))},
      {"transpose_stride", OnImage(16, Named("conv_transpose2d { out_channels: 16 kernel: 4 stride: 2 padding { "
                                             "amount: 1 } }"))},
      {"transpose_few_channels", OnImage(3, Named("conv_transpose2d { out_channels: 5 kernel: 3 stride: 2 padding { "
                                                  "amount: 1 } output_padding: 1 }"))},
      {"transpose_odd", OnImage(17, Named("conv_transpose2d { out_channels: 3 kernel: [2, 3] stride: [3, 2] "
                                          "output_padding: [2, 0] padding { amount: [0, 1, 1, 0] } }"))},
      {"transpose_groups", OnImage(6, Named("conv_transpose2d { out_channels: 9 kernel: 3 groups: 3 dilation: 2 }"))},
      {"transpose_no_bias", OnImage(8, Named("conv_transpose2d { out_channels: 6 kernel: 2 stride: 2 bias: false } "
                                             "activation { relu {} }"))},
      {"transpose_maxout",
       OnImage(3, Named("conv_transpose2d { out_channels: 5 kernel: 3 } activation { maxout {} }"))},
      {"multiply", OnImage(16, PairOfImages(16, 16) + Named(two + "multiply {}"))},
      {"multiply_odd", OnImage(3, PairOfImages(5, 5) + Named(two + "multiply {} activation { relu {} }"))},
      {"multiply_itself", OnImage(17, Named("inputs: 'pre' inputs: 'pre' multiply {}"))},
      {"multiply_features", OnFeatures(8, features + Named(two + "multiply {}"))},
      {"multiply_channels", OnImage(16, means + Named(scaled + "multiply {}"))},
      {"multiply_odd_channels", OnImage(17, means + Named(scaled + "multiply {}") + after)},
      {"multiply_few_channels", OnImage(3, means + Named(scaled + "multiply {} activation { tanh {} }"))},
      {"multiply_sequence", OnSequence(6, means + Named(" inputs: 'sequence' inputs: 'means' multiply {}"))},
      {"global_max_pool", OnImage(16, Named("global_max_pool {}"))},
      {"global_max_pool_odd", OnImage(5, Named("global_max_pool {}") + after)},
      {"global_max_pool_sequence", OnSequence(6, Named("global_max_pool {}"))},
      {"global_avg_pool_sequence", OnSequence(17, Named("global_avg_pool {}") + after)},
      {"to_sequence", OnSequence(16, after)},
      {"to_sequence_odd", OnSequence(5, after)},
      {"to_sequence_features",
       OnFeatures(10, "layers { name: 'sequence' to_sequence {} } " + Conv1d("out_channels: 4 kernel: 3"))},
      {"conv1d", OnSequence(16, Conv1d("out_channels: 16 kernel: 3"))},
      {"conv1d_odd",
       OnSequence(5, Conv1d("out_channels: 7 kernel: 4 stride: 2 dilation: 2 padding { amount: [2, 1] }"))},
      {"conv1d_same",
       OnSequence(6, Conv1d("out_channels: 9 kernel: 3 stride: 2 groups: 3 padding { mode: MODE_SAME }"))},
      {"conv1d_relu", OnSequence(6, Named("conv1d { out_channels: 8 kernel: 5 bias: false } activation { relu {} }"))},
      {"embedding", OnTokens(Named("embedding { vocabulary: 7 features: 5 }") + after)},
      {"embedding_wide", OnTokens(Named("embedding { vocabulary: 7 features: 40 padding_token: 2 }") + after)},
      {"embedding_conv", OnTokens(Named("embedding { vocabulary: 7 features: 6 }") +
                                  "layers { name: 'c' conv1d { out_channels: 4 kernel: 3 } activation { tanh {} } }")},
      {"positions", OnSequence(6, Named("positional_embedding {}"))},
      {"positions_wide", OnSequence(40, Named("positional_embedding {} activation { tanh {} }") + after)},
      {"positions_sinusoidal", OnSequence(7, Named("positional_embedding { form: FORM_SINUSOIDAL }"))},
      {"class_token", OnSequence(6, Named("class_token {}"))},
      {"class_token_taken",
       OnSequence(17, Named("class_token {} activation { tanh {} }") + "layers { name: 't' take_position {} }")},
      {"take_position", OnSequence(16, Named("take_position { index: 19 }") + after)},
      {"attention", OnSequence(8, Named("multi_head_attention { heads: 2 }"))},
      {"attention_dropout", OnSequence(8, Named("multi_head_attention { heads: 2 dropout: 0.3 }"))},
      {"attention_dropout_after",
       OnSequence(6, Named("multi_head_attention { heads: 3 dropout: 0.5 } activation { tanh {} }") + after)},
      {"attention_one_head", OnSequence(5, Named("multi_head_attention { heads: 1 bias: false }") + after)},
      {"attention_many_heads",
       OnSequence(48, Named("multi_head_attention { heads: 3 } activation { tanh {} }") + after)},
      {"dense_per_position", OnSequence(16, Named("dense { units: 24 per_position: true }"))},
      {"dense_per_position_odd", OnSequence(5, Named("dense { units: 3 per_position: true bias: false } "
                                                     "activation { relu {} }") +
                                                   after)},
      {"dense_per_position_gelu", OnSequence(6, Named("dense { units: 9 per_position: true } activation { gelu {} }"))},
      {"dense_per_position_maxout",
       OnSequence(6, Named("dense { units: 9 per_position: true } activation { maxout { pieces: 3 } }"))},
      {"dense_per_pixel", OnImage(17, Named("dense { units: 6 per_position: true }") + after)},
      {"layer_norm_per_position", OnSequence(16, Named("layer_norm { per_position: true }"))},
      {"layer_norm_per_position_odd", OnSequence(5, Named("layer_norm { per_position: true epsilon: 0.1 } "
                                                          "activation { relu {} }"))},
      {"layer_norm_per_pixel", OnImage(17, Named("layer_norm { per_position: true }") + after)},
      {"layer_norm_sequence", OnSequence(6, Named("layer_norm {}"))},
      {"batch_norm_sequence", OnSequence(6, Named("batch_norm { epsilon: 0.1 } activation { relu {} }")), false, 0.3},
      {"group_norm_sequence", OnSequence(6, Named("group_norm { groups: 2 }"))},
      {"softmax_sequence", OnSequence(17, Named("softmax {}"))},
      {"dropout_sequence", OnSequence(17, Named("dropout { rate: 0.4 }"))},
      {"add_sequences", OnSequence(6, Named("inputs: 'sequence' inputs: 'sequence' add {}"))},
      {"concat_sequences",
       OnSequence(6, Conv1d("out_channels: 5 kernel: 3 padding { amount: 1 }") +
                         "layers { name: 'both' inputs: 'it' inputs: 'sequence' concat {} }" + after)},
      {"prelu_sequence", OnSequence(6, Named("activation { prelu {} }"))},
      {"dense", OnFeatures(8, Named("dense { units: 5 }"))},
      {"dense_wide", OnFeatures(64, Named("dense { units: 96 }"))},
      {"dense_no_bias", OnFeatures(8, Named("dense { units: 5 bias: false }"))},
      {"dense_sigmoid", OnFeatures(8, Named("dense { units: 5 } activation { sigmoid {} }"))},
      {"dense_relu", OnFeatures(16, Named("dense { units: 32 } activation { relu {} }"))},
      {"dense_gelu", OnFeatures(8, Named("dense { units: 5 } activation { gelu {} }"))},
      {"dense_maxout", OnFeatures(8, Named("dense { units: 5 } activation { maxout {} }"))},
      {"dense_on_image", OnImage(16, Named("dense { units: 5 }"))},
      {"dense_on_odd_image", OnImage(17, Named("dense { units: 5 }"))},
      {"max_pool", OnImage(16, Named("max_pool { kernel: 2 }"))},
      {"max_pool_overlapping", OnImage(3, Named("max_pool { kernel: 3 stride: 2 padding { amount: 1 } }"))},
      {"max_pool_same", OnImage(17, Named("max_pool { kernel: [3, 2] stride: 2 padding { mode: MODE_SAME } }"))},
      {"avg_pool", OnImage(16, Named("avg_pool { kernel: 2 }"))},
      {"avg_pool_padding", OnImage(3, Named("avg_pool { kernel: 3 stride: 2 padding { amount: 1 } }"))},
      {"avg_pool_count_padding",
       OnImage(17, Named("avg_pool { kernel: 3 stride: 2 padding { amount: [1, 0, 2, 1] } count_include_pad: true }"))},
      {"global_avg_pool", OnImage(16, Named("global_avg_pool {}"))},
      {"global_avg_pool_dense", OnImage(17, Named("global_avg_pool {}") + after)},
      {"batch_norm", OnImage(16, Named("batch_norm {}")), false, 0.1},
      {"batch_norm_relu", OnImage(16, Named("batch_norm {} activation { relu {} }")), false, 0.2},
      {"batch_norm_tanh", OnImage(16, Named("batch_norm {} activation { tanh {} }")), false, 0.1},
      {"batch_norm_odd", OnImage(17, Named("batch_norm { epsilon: 0.1 } activation { relu {} }")), false, 0.2},
      {"batch_norm_features", OnFeatures(16, Named("batch_norm { epsilon: 0.1 }")), false, 0.2},
      {"batch_norm_odd_features", OnFeatures(5, Named("batch_norm { epsilon: 0.1 } activation { relu {} }")), false,
       0.3},
      {"batch_norm_flattened", OnImage(16, Named("flatten {}") + "layers { name: 'bn' batch_norm { epsilon: 0.1 } }"),
       false, 0.2},
      {"dropout", OnImage(16, Named("dropout { rate: 0.4 }"))},
      {"dropout_odd", OnImage(17, Named("dropout { rate: 0.4 form: FORM_CLASSIC }"))},
      {"dropout_features", OnFeatures(10, Named("dropout {}"))},
      {"dropout_nothing", OnFeatures(10, Named("dropout { rate: 0 }"))},
      {"flatten", OnImage(17, Named("flatten {}") + after)},
      {"add", OnImage(16, PairOfImages(16, 16) + Named(two + "add {}"))},
      {"add_relu", OnImage(3, PairOfImages(5, 5) + Named(two + "add {} activation { relu {} }"))},
      {"add_three", OnImage(16, PairOfImages(16, 16) + Named(two + "inputs: 'pre' add {}"))},
      {"add_twice_the_same", OnImage(16, Named("inputs: 'pre' inputs: 'pre' add {}"))},
      {"add_features", OnFeatures(8, features + Named(two + "add {}"))},
      {"concat", OnImage(16, PairOfImages(16, 32) + Named(two + "concat {}"))},
      {"concat_odd", OnImage(3, PairOfImages(3, 17) + Named(two + "concat {}") + after)},
      {"concat_within_a_block", OnImage(16, PairOfImages(5, 6) + Named(two + "concat {}") + after)},
      {"concat_across_blocks", OnImage(16, PairOfImages(28, 40) + Named(two + "concat {}") + after)},
      {"concat_with_the_same", OnImage(3, PairOfImages(7, 20) + Named(two + "inputs: 'pre' concat {}") + after)},
      {"concat_features", OnFeatures(8, features + Named(two + "concat {}"))},
      {"stochastic_depth", OnImage(17, Named("stochastic_depth { survival: 0.6 per_example: true }"))},
      {"stochastic_depth_step", OnFeatures(10, Named("stochastic_depth { survival: 0.99 }"))},
      {"stochastic_depth_nothing", OnImage(16, Named("stochastic_depth { survival: 1 }") + after)},
      {"scalar_affine", OnImage(17, Named("scalar_affine {}"))},
      {"scalar_affine_weight", OnImage(16, Named("scalar_affine { bias: false }") + after)},
      {"scalar_affine_bias", OnFeatures(10, Named("scalar_affine { weight: false } activation { tanh {} }"))},
      {"softmax", OnFeatures(8, Named("softmax {}"))},
      {"softmax_channels", OnImage(17, Named("softmax {}"))},
      {"layer_norm", OnImage(16, Named("layer_norm {}"))},
      {"layer_norm_odd", OnImage(17, Named("layer_norm { epsilon: 0.1 } activation { relu {} }"))},
      {"layer_norm_few_channels", OnImage(3, Named("layer_norm {}"))},
      {"layer_norm_features", OnFeatures(16, Named("layer_norm {}"))},
      {"layer_norm_odd_features", OnFeatures(5, Named("layer_norm {}") + after)},
      {"layer_norm_flattened", OnImage(17, Named("flatten {}") + "layers { name: 'ln' layer_norm {} }")},
      {"group_norm", OnImage(16, Named("group_norm { groups: 4 }"))},
      {"group_norm_of_blocks", OnImage(32, Named("group_norm { groups: 1 }"))},
      {"group_norm_odd", OnImage(21, Named("group_norm { groups: 3 } activation { relu {} }"))},
      {"group_norm_odd_whole", OnImage(17, Named("group_norm { groups: 1 epsilon: 0.1 }"))},
      {"group_norm_few_channels", OnImage(6, Named("group_norm { groups: 2 }"))},
      {"instance_norm", OnImage(5, Named("group_norm { groups: 5 }"))},
      {"group_norm_features", OnFeatures(12, Named("group_norm { groups: 3 }"))},
      {"group_norm_flattened", OnImage(16, Named("flatten {}") + "layers { name: 'gn' group_norm { groups: 4 } }")},
      {"local_response_norm", OnImage(16, Named("local_response_norm { alpha: 0.5 }"))},
      {"local_response_norm_odd", OnImage(17, Named("local_response_norm { alpha: 0.5 k: 2 }"))},
      {"local_response_norm_few_channels", OnImage(3, Named("local_response_norm { alpha: 0.5 }"))},
      {"local_response_norm_of_three",
       OnImage(16, Named("local_response_norm { size: 3 alpha: 0.7 beta: 0.5 }") + after)},
      {"fractional_max_pool", OnImage(16, Named("fractional_max_pool {}"))},
      {"fractional_max_pool_disjoint", OnImage(16, Named("fractional_max_pool { disjoint: true ratio: 1.7 }"))},
      {"fractional_max_pool_odd", OnImage(17, Named("fractional_max_pool { sequence: SEQUENCE_PSEUDO_RANDOM }"))},
      {"fractional_max_pool_few_channels",
       OnImage(3, Named("fractional_max_pool { sequence: SEQUENCE_PSEUDO_RANDOM disjoint: true }"))},
      {"fractional_max_pool_one_channel", OnImage(1, Named("fractional_max_pool { ratio: 2 }"))},
      {"drop_connect", OnFeatures(8, Named("drop_connect { units: 5 }"))},
      {"drop_connect_wide", OnFeatures(64, Named("drop_connect { units: 96 rate: 0.3 }"))},
      {"drop_connect_on_image", OnImage(17, Named("drop_connect { units: 5 } activation { relu {} }"))},
      {"drop_connect_maxout", OnFeatures(8, Named("drop_connect { units: 5 } activation { maxout {} }"))},
      {"drop_connect_nothing", OnFeatures(8, Named("drop_connect { units: 5 rate: 0 bias: false }"))},
      {"drop_connect_per_example", OnFeatures(8, Named("drop_connect { units: 5 per_example: true }"))},
      {"drop_connect_per_example_on_image",
       OnImage(16, Named("drop_connect { units: 7 rate: 0.2 per_example: true } activation { tanh {} }"))},
      {"drop_connect_per_example_no_bias",
       OnFeatures(150, Named("drop_connect { units: 5 per_example: true bias: false }"))},
  };
}

std::vector<Case> CasesForBf16() {
  std::vector<Case> cases = Cases();
  std::erase_if(cases, [](const Case& c) { return c.winograd; });  // Float32 only.
  return cases;
}

// One plan of a case, with smooth inputs and targets.
class Step {
 public:
  Step(const Case& c, v1::Precision precision)
      : bf16_(precision == v1::PRECISION_BF16),
        network_(FromText<v1::Network>(c.network), OptionsOf(c, precision), "mean_squared_error {}") {
    if (!ready()) return;
    examples_.resize(kBatch * Elements(network_.graph->input_shape()));
    const bool tokens = network_.network.layers(0).has_embedding();
    for (size_t i = 0; i < examples_.size(); ++i) {
      examples_[i] = tokens ? static_cast<float>(i * i % 7) : static_cast<float>(std::sin(1.7 * i * i + 0.3));
    }
    targets_.resize(kBatch * network_.plan->outputs());
    for (size_t i = 0; i < targets_.size(); ++i) targets_[i] = static_cast<float>(std::cos(2.3 * i));
  }

  bool ready() const { return network_.plan != nullptr; }
  std::vector<StoredParameter>& parameters() { return network_.store->parameters(); }

  // The mean loss of the minibatch.
  double Run() {
    if (bf16_) network_.store->UpdateCopies();
    const absl::Status status = network_.plan->Run(
        {.examples = examples_.data(), .targets = {.values = targets_.data()}, .count = kBatch, .step = 7});
    EXPECT_TRUE(status.ok()) << status;
    return network_.plan->loss_sum() / kBatch;
  }

  std::vector<float> Gradient(const StoredParameter& parameter) {
    return network_.Values(parameter, parameter.gradient);
  }

  // The loss with one number of a parameter moved by `delta`.
  double RunWith(StoredParameter& parameter, size_t index, float delta) {
    std::vector<float> values = network_.Values(parameter, parameter.master);
    const float kept = values[index];
    values[index] = kept + delta;
    network_.store->Set(parameter, parameter.master, values);
    const double loss = Run();
    values[index] = kept;
    network_.store->Set(parameter, parameter.master, values);
    return loss;
  }

 private:
  static PlanOptions OptionsOf(const Case& c, v1::Precision precision) {
    PlanOptions options{.batch = kBatch, .training = true, .precision = precision, .seed = 3};
    if (c.winograd) options.algorithms["it"] = v1::CONVOLUTION_ALGORITHM_WINOGRAD;
    return options;
  }

  const bool bf16_;
  const PlannedNetwork network_;
  std::vector<float> examples_;
  std::vector<float> targets_;
};

double Norm(const std::vector<float>& values) {
  double sum = 0;
  for (float value : values) sum += static_cast<double>(value) * value;
  return std::sqrt(sum);
}

void PrintTo(const Case& c, std::ostream* os) { *os << c.network; }

class LayerGradient : public testing::TestWithParam<Case> {};

// On one thread: hundreds of small steps, in which threads would mostly wait for each other.
class LayerGradientByDifferences : public LayerGradient {
 protected:
  LayerGradientByDifferences() { omp_set_num_threads(1); }
  ~LayerGradientByDifferences() override { omp_set_num_threads(threads_); }

 private:
  const int threads_ = omp_get_max_threads();
};

TEST_P(LayerGradientByDifferences, IsThatOfTheLoss) {
  Step step(GetParam(), v1::PRECISION_F32);
  ASSERT_TRUE(step.ready());
  const double loss = step.Run();
  ASSERT_TRUE(std::isfinite(loss));
  std::vector<std::vector<float>> gradients;
  for (const StoredParameter& parameter : step.parameters()) {
    gradients.push_back(parameter.spec->trained ? step.Gradient(parameter) : std::vector<float>());
  }
  int checked = 0, kinks = 0;
  for (size_t p = 0; p < gradients.size(); ++p) {
    if (gradients[p].empty()) continue;
    StoredParameter& parameter = step.parameters()[p];
    const std::vector<float>& gradient = gradients[p];
    const double scale = Norm(gradient) / std::sqrt(static_cast<double>(gradient.size()));
    const size_t stride = std::max<size_t>(1, gradient.size() / 12) | 1;  // Odd: walks through all inner dimensions.
    for (size_t i = 0; i < gradient.size(); i += stride) {
      constexpr float kDelta = 4e-3f;
      const double up = (step.RunWith(parameter, i, kDelta) - loss) / kDelta;
      const double down = (loss - step.RunWith(parameter, i, -kDelta)) / kDelta;
      const double expected = (up + down) / 2;
      const double tolerance = 1e-4 + 0.01 * (std::abs(expected) + scale);
      ++checked;
      // A relu or a maximum changed sides within the step: the derivative is somewhere between the two slopes.
      const bool between = gradient[i] > std::min(up, down) - tolerance && gradient[i] < std::max(up, down) + tolerance;
      if (std::abs(gradient[i] - expected) > tolerance && std::abs(up - down) > tolerance && between) {
        ++kinks;
        continue;
      }
      EXPECT_NEAR(gradient[i], expected, tolerance) << parameter.name << " at " << i;
    }
  }
  EXPECT_GT(checked, 0);
  EXPECT_LE(kinks * 4, checked) << "too few places without a kink";
}

TEST_P(LayerGradient, IsCloseAtBf16) {
  if (!onednn::SupportsBf16()) GTEST_SKIP() << "no bfloat16 on this CPU";
  Step exact(GetParam(), v1::PRECISION_F32), rounded(GetParam(), v1::PRECISION_BF16);
  ASSERT_TRUE(exact.ready() && rounded.ready());
  const double loss = exact.Run();
  EXPECT_NEAR(rounded.Run(), loss, 0.02 * (1 + std::abs(loss)));
  // The norm over all parameters is the yardstick: some gradients are zero by cancellation (a bias before batch norm).
  double all = 0;
  for (const StoredParameter& parameter : exact.parameters()) {
    if (parameter.spec->trained) all = std::max(all, Norm(exact.Gradient(parameter)));
  }
  for (size_t p = 0; p < exact.parameters().size(); ++p) {
    if (!exact.parameters()[p].spec->trained) continue;
    const std::vector<float> expected = exact.Gradient(exact.parameters()[p]);
    std::vector<float> difference = rounded.Gradient(rounded.parameters()[p]);
    ASSERT_EQ(difference.size(), expected.size());
    for (size_t i = 0; i < expected.size(); ++i) difference[i] -= expected[i];
    EXPECT_LE(Norm(difference), GetParam().bf16_tolerance * (Norm(expected) + 0.2 * all)) << exact.parameters()[p].name;
  }
}

INSTANTIATE_TEST_SUITE_P(Layers, LayerGradientByDifferences, testing::ValuesIn(Cases()),
                         [](const auto& parameter) { return parameter.param.name; });
INSTANTIATE_TEST_SUITE_P(Layers, LayerGradient, testing::ValuesIn(CasesForBf16()),
                         [](const auto& parameter) { return parameter.param.name; });

// A layer that nobody added to the cases would go unchecked.
TEST(LayerGradientCases, CoverEveryRegisteredLayer) {
  std::set<std::string> covered;
  for (const Case& c : Cases()) {
    const auto network = FromText<v1::Network>(c.network);
    for (const v1::Layer& layer : network.layers()) {
      const auto* field =
          layer.GetReflection()->GetOneofFieldDescriptor(layer, v1::Layer::descriptor()->FindOneofByName("kind"));
      if (field != nullptr) covered.insert(field->message_type()->full_name());
    }
  }
  for (const auto& [kind, entry] : Registry<Layer>::Get().entries()) EXPECT_TRUE(covered.contains(kind)) << kind;
}

}  // namespace
}  // namespace traind::core
