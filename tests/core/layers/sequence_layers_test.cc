// What the layers over positions say before anything is planned, and what embedding says of ids that are none.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "tests/core/blocks/expand.h"
#include "tests/support/layer_run.h"

namespace traind::core {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Behind to_sequence: [6, 20].
std::string OnSequence(const std::string& layer) {
  return "input_shape: [6, 4, 5] layers { name: 's' to_sequence {} } layers { name: 'it' " + layer + " }";
}
std::string OnImage(const std::string& layer) { return "input_shape: [6, 7, 5] layers { name: 'it' " + layer + " }"; }

struct Parameter {
  std::string name;
  Shape shape;
  bool operator==(const Parameter&) const = default;
};
void PrintTo(const Parameter& parameter, std::ostream* out) { *out << parameter.name << ToString(parameter.shape); }

std::vector<Parameter> ParametersOf(const Built& built) {
  std::vector<Parameter> all;
  for (const ParameterSpec& spec : built.Find("it")->parameters) all.push_back({spec.name, spec.shape});
  return all;
}

struct Good {
  std::string network;
  Shape output;
  std::vector<Parameter> parameters;
  int64_t flops;
};
void PrintTo(const Good& good, std::ostream* out) { *out << good.network; }

class Layers : public testing::TestWithParam<Good> {};

TEST_P(Layers, HaveTheirShapes) {
  const Built built = Build(GetParam().network);
  ASSERT_NE(built.graph, nullptr) << built.errors;
  EXPECT_EQ(built.Find("it")->output, GetParam().output);
  EXPECT_EQ(ParametersOf(built), GetParam().parameters);
  EXPECT_EQ(built.Find("it")->forward_flops, GetParam().flops);
  const Built again = Build(built.network.DebugString());
  EXPECT_EQ(again.network.DebugString(), built.network.DebugString()) << "resolves to itself";
}

INSTANTIATE_TEST_SUITE_P(
    Sequences, Layers,
    testing::Values(
        Good{OnSequence("conv1d { out_channels: 9 kernel: 3 }"),
             {9, 18},
             {{"weight", {9, 6, 3}}, {"bias", {9}}},
             9 * 18 * (2 * 18 + 1)},
        Good{OnSequence("conv1d { out_channels: 9 kernel: 3 stride: 2 dilation: 4 groups: 3 bias: false "
                        "padding { amount: [2, 1] } }"),
             {9, 8},
             {{"weight", {9, 2, 3}}},
             9 * 8 * 2 * 6},
        Good{OnSequence("conv1d { out_channels: 9 kernel: 4 stride: 3 bias: false padding { mode: MODE_SAME } }"),
             {9, 7},
             {{"weight", {9, 6, 4}}},
             9 * 7 * 2 * 24},
        Good{OnSequence("dense { units: 4 per_position: true }"),
             {4, 20},
             {{"weight", {4, 6}}, {"bias", {4}}},
             4 * 20 * 13},
        Good{OnSequence("layer_norm { per_position: true }"), {6, 20}, {{"weight", {6}}, {"bias", {6}}}, 120 * 6},
        Good{OnSequence("positional_embedding {}"), {6, 20}, {{"weight", {20, 6}}}, 120},
        Good{OnSequence("positional_embedding { form: FORM_SINUSOIDAL }"), {6, 20}, {}, 120},
        Good{OnSequence("class_token {}"), {6, 21}, {{"weight", {6}}}, 0},
        Good{OnSequence("take_position { index: 19 }"), {6}, {}, 0},
        Good{OnSequence("global_max_pool {}"), {6}, {}, 120}, Good{OnSequence("global_avg_pool {}"), {6}, {}, 120},
        Good{OnSequence("multi_head_attention { heads: 2 }"),
             {6, 20},
             {{"in_proj_weight", {18, 6}}, {"in_proj_bias", {18}}, {"out_proj.weight", {6, 6}}, {"out_proj.bias", {6}}},
             // The projections, q k^T and p v: 2 * (20 * 6 * 24 + 20 * 20 * 6 * 2).
             2 * (2880 + 4800)},
        Good{"input_shape: [9] layers { name: 'it' embedding { vocabulary: 30 features: 4 } }",
             {4, 9},
             {{"weight", {30, 4}}},
             0},
        Good{"input_shape: [9] layers { name: 'it' to_sequence {} }", {1, 9}, {}, 0}));

INSTANTIATE_TEST_SUITE_P(
    Images, Layers,
    testing::Values(
        Good{OnImage("depthwise_conv2d { multiplier: 2 kernel: 3 padding { amount: 1 } }"),
             {12, 7, 5},
             {{"weight", {12, 1, 3, 3}}, {"bias", {12}}},
             12 * 35 * 19},
        // PyTorch: ConvTranspose2d(6, 4, (3, 2), (2, 3), (1, 0), (1, 2), groups=2) on [6, 7, 5] gives [4, 14, 16].
        Good{OnImage("conv_transpose2d { out_channels: 4 kernel: [3, 2] stride: [2, 3] padding { amount: [1, 0] } "
                     "output_padding: [1, 2] groups: 2 }"),
             {4, 14, 16},
             {{"weight", {6, 2, 3, 2}}, {"bias", {4}}},
             6 * 35 * 2 * 12 + 4 * 14 * 16},
        Good{
            OnImage("dense { units: 4 per_position: true bias: false }"), {4, 7, 5}, {{"weight", {4, 6}}}, 4 * 35 * 12},
        Good{OnImage("to_sequence {}"), {6, 35}, {}, 0}, Good{OnImage("global_max_pool {}"), {6}, {}, 210}));

struct Wrong {
  std::string network;
  std::string field;
  std::string words;
};
void PrintTo(const Wrong& wrong, std::ostream* out) { *out << wrong.network; }

class WrongLayers : public testing::TestWithParam<Wrong> {};

TEST_P(WrongLayers, AreRefusedAtTheirField) {
  FieldErrors::Root errors;
  auto network = FromText<v1::Network>(GetParam().network);
  EXPECT_EQ(Graph::Build(network, errors.scope()), nullptr);
  ASSERT_GT(errors.violations().field_violations_size(), 0);
  const auto& violation = errors.violations().field_violations(0);
  EXPECT_THAT(violation.field(), testing::EndsWith(GetParam().field));
  EXPECT_THAT(violation.description(), HasSubstr(GetParam().words));
}

std::string OnTokens(const std::string& more, const std::string& options) {
  return "input_shape: [9] " + more + "layers { name: 'it' embedding { " + options + " } }";
}

INSTANTIATE_TEST_SUITE_P(
    All, WrongLayers,
    testing::Values(
        Wrong{OnImage("conv1d { out_channels: 4 kernel: 3 }"), ".conv1d", "to_sequence makes one"},
        Wrong{OnSequence("conv2d { out_channels: 4 kernel: 3 }"), ".conv2d", "[channels, height, width]"},
        Wrong{OnSequence("conv1d { kernel: 3 }"), ".conv1d.out_channels", "1 to"},
        Wrong{OnSequence("conv1d { out_channels: 4 }"), ".conv1d.kernel", "must be 1 to"},
        Wrong{OnSequence("conv1d { out_channels: 4 kernel: 21 }"), ".conv1d.kernel", "21 positions"},
        Wrong{OnSequence("conv1d { out_channels: 4 kernel: 3 stride: 0 }"), ".conv1d.stride", "must be 1 to"},
        Wrong{OnSequence("conv1d { out_channels: 4 kernel: 3 groups: 4 }"), ".conv1d.groups", "input's channels"},
        Wrong{OnSequence("conv1d { out_channels: 4 kernel: 3 padding { amount: [1, 1, 1] } }"),
              ".conv1d.padding.amount", "before and after"},
        Wrong{OnSequence("conv1d { out_channels: 4 kernel: 3 padding { mode: MODE_SAME amount: 1 } }"),
              ".conv1d.padding.amount", "contradicts"},
        Wrong{OnImage("depthwise_conv2d { kernel: 3 multiplier: 0 }"), ".depthwise_conv2d.multiplier", "1 to"},
        Wrong{OnImage("depthwise_conv2d { kernel: 3 } activation { maxout {} }"), ".activation.maxout",
              "does not go with depthwise_conv2d"},
        Wrong{OnImage("conv_transpose2d { out_channels: 4 kernel: 3 padding { mode: MODE_SAME } }"),
              ".conv_transpose2d.padding.mode", "must not be SAME"},
        Wrong{OnImage("conv_transpose2d { out_channels: 4 kernel: 3 stride: 2 output_padding: 2 }"),
              ".conv_transpose2d.output_padding", "smaller than the stride, 2"},
        Wrong{OnImage("conv_transpose2d { out_channels: 4 kernel: 1 padding { amount: 4 } }"),
              ".conv_transpose2d.padding", "cuts off more rows"},
        Wrong{OnImage("conv_transpose2d { out_channels: 4 kernel: 3 groups: 5 }"), ".conv_transpose2d.groups",
              "input's channels"},
        Wrong{OnImage("multiply {}"), ".multiply", "two inputs"},
        Wrong{"input_shape: [6, 4, 4] layers { name: 'p' max_pool { kernel: 2 } } layers { name: 'it' inputs: 'input' "
              "inputs: 'p' multiply {} }",
              ".multiply", "one factor for each channel"},
        Wrong{OnSequence("multi_head_attention { heads: 4 }"), ".multi_head_attention.heads", "6 / 4"},
        Wrong{OnSequence("multi_head_attention { heads: 2 dropout: 1 }"), ".multi_head_attention.dropout", "[0, 1)"},
        Wrong{OnSequence("multi_head_attention {}"), ".multi_head_attention.heads", "must be 1 to"},
        Wrong{OnSequence("take_position { index: 20 }"), ".take_position.index", "below the length"},
        Wrong{OnSequence("positional_embedding { form: FORM_SINUSOIDAL weight_init { zeros {} } }"),
              ".positional_embedding.weight_init", "has no weights"},
        Wrong{"input_shape: [9] layers { name: 'it' layer_norm { per_position: true } }", ".layer_norm",
              "needs positions"},
        Wrong{"input_shape: [9] layers { name: 'it' dense { units: 3 per_position: true } }", ".dense",
              "needs positions"},
        Wrong{OnTokens("", "vocabulary: 5"), ".embedding.features", "1 to"},
        Wrong{OnTokens("", "vocabulary: 5 features: 2 padding_token: 5"), ".embedding.padding_token", "below"},
        Wrong{OnTokens("layers { name: 'd' dropout {} } ", "vocabulary: 5 features: 2"), ".inputs",
              "must be \"input\""},
        Wrong{"input_shape: [1, 3, 3] layers { name: 'it' embedding { vocabulary: 5 features: 2 } }", ".embedding",
              "needs token ids"},
        // Two tensors of one name.
        Wrong{OnSequence("multi_head_attention { heads: 2 }") +
                  " layers { name: 'it.out_proj' dense { units: 6 per_position: true } } ",
              ".name", "it.out_proj"}));

TEST(Embedding, SaysWhichExampleHasWhichId) {
  const std::string network = OnTokens("", "vocabulary: 30 features: 4");
  for (const v1::Precision precision : Precisions()) {
    for (const auto& [id, shown] : {std::pair{30.0f, "30"}, {-1.0f, "-1"}, {2.5f, "2.5"}, {NAN, "nan"}}) {
      LayerRun run(network, 4, precision);
      run.examples().assign(run.examples().size(), 29.0f);
      EXPECT_TRUE(run.Run(0).ok());
      run.examples()[2 * 9 + 5] = id;
      const absl::Status status = run.Run(0);
      EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
      EXPECT_THAT(std::string(status.message()),
                  HasSubstr(absl::StrCat("layer \"it\": example 2 of the minibatch has ", shown, " at position 5")));
      run.examples()[2 * 9 + 5] = 0;
      EXPECT_TRUE(run.Run(0).ok()) << "the error is told once";
    }
  }
}

// Ids above 256 are no bfloat16 numbers.
TEST(Embedding, KeepsLargeIdsApartAtBf16) {
  for (const v1::Precision precision : Precisions()) {
    LayerRun run("input_shape: [3] layers { name: 'it' embedding { vocabulary: 70000 features: 1 } }", 1, precision);
    std::vector<float> table(70000);
    for (size_t i = 0; i < table.size(); ++i) table[i] = static_cast<float>(i % 7);
    run.Set("it.weight", table);
    run.examples() = {65537, 65538, 69999};
    EXPECT_THAT(run.Output(), ElementsAre(65537 % 7, 65538 % 7, 69999 % 7));
  }
}

TEST(Embedding, PaddingIsZerosAndLearnsNothing) {
  v1::Loss config;
  config.mutable_mean_squared_error();
  FieldErrors::Root errors;
  const auto loss = Registry<Loss>::Get().Create(config, errors.scope());
  LayerRun run(
      "input_shape: [3] layers { name: 'it' embedding { vocabulary: 4 features: 2 padding_token: 1 } } "
      "layers { name: 'flat' flatten {} }",
      {.batch = 1, .training = true, .loss = loss.get()});
  run.examples() = {1, 3, 1};
  run.Set("it.weight", {1, 2, 3, 4, 5, 6, 7, 8});
  EXPECT_THAT(run.Output(), ElementsAre(0, 7, 0, 0, 8, 0));  // [features, length]
  const std::vector<float> gradient = run.Gradient("it.weight");
  EXPECT_THAT(std::vector<float>(gradient.begin(), gradient.begin() + 6), testing::Each(0));
  EXPECT_GT(gradient[6], 0);
}

}  // namespace
}  // namespace traind::core
