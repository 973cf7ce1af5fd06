// What every layer says before anything is planned: violations with their field paths, resolved defaults, shapes,
// parameters and costs.
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "core/kinds/layer.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/text_proto.h"

namespace traind::core {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

struct Outcome {
  v1::Layer config;                 // Resolved.
  LayerShape shape;                 // If there were no violations.
  std::vector<std::string> fields;  // Paths of the violations, in order.
  std::string messages;
};

// Makes the layer and, where that works, infers it over `inputs`; `pieces` as for a maxout that follows.
Outcome Check(const std::string& text, const std::vector<Shape>& inputs, int64_t pieces = 1) {
  Outcome outcome;
  outcome.config = FromText<v1::Layer>(text);
  FieldErrors::Root root;
  const auto layer = Registry<Layer>::Get().Create(outcome.config, root.scope());
  if (layer) {
    if (pieces > 1) {
      EXPECT_TRUE(layer->Widen(pieces));
    }
    const auto* field = outcome.config.GetReflection()->GetOneofFieldDescriptor(
        outcome.config, v1::Layer::descriptor()->FindOneofByName("kind"));
    outcome.shape = layer->Infer(inputs, root.scope().At(field->name()));
  }
  for (const auto& violation : root.violations().field_violations()) {
    outcome.fields.push_back(violation.field());
    outcome.messages += violation.description() + "\n";
  }
  return outcome;
}

struct BadCase {
  std::string layer;
  std::vector<Shape> inputs;
  std::vector<std::string> fields;
};
void PrintTo(const BadCase& bad, std::ostream* os) { *os << bad.layer; }

class BadLayer : public testing::TestWithParam<BadCase> {};

TEST_P(BadLayer, IsReportedAtItsField) {
  const BadCase& bad = GetParam();
  const Outcome outcome = Check(bad.layer, bad.inputs);
  EXPECT_THAT(outcome.fields, testing::ElementsAreArray(bad.fields)) << bad.layer << "\n" << outcome.messages;
}

const Shape kImage = {16, 8, 8};
const Shape kFeatures = {12};

// A conv2d, max_pool or avg_pool of one image.
BadCase Bad(const std::string& kind, const std::string& options, std::vector<std::string> fields) {
  for (std::string& field : fields) field = kind + "." + field;
  return {kind + " { " + (kind == "conv2d" ? "out_channels: 12 " : "") + options + " }", {kImage}, fields};
}

INSTANTIATE_TEST_SUITE_P(
    Dense, BadLayer,
    testing::Values(
        BadCase{"dense {}", {kFeatures}, {"dense.units"}},
        BadCase{"dense { units: 4294967295 }", {kFeatures}, {"dense.units"}},
        BadCase{"dense { units: 16777216 }", {{1 << 20, 1, 1}}, {"dense.units"}},
        BadCase{"dense { units: 4 }", {kFeatures, kFeatures}, {"dense"}}, BadCase{"dense { units: 4 }", {}, {"dense"}},
        BadCase{"dense { weight_init { normal { std: -1 } } }",
                {kFeatures},
                {"dense.units", "dense.weight_init.normal.std"}},
        BadCase{"dense { units: 4 bias_init { normal { std: -1 } } }", {kFeatures}, {"dense.bias_init.normal.std"}},
        BadCase{"dense { units: 4 bias: false bias_init { zeros {} } }", {kFeatures}, {"dense.bias_init"}}));

INSTANTIATE_TEST_SUITE_P(
    Conv2d, BadLayer,
    testing::Values(BadCase{"conv2d {}", {kImage}, {"conv2d.out_channels", "conv2d.kernel"}},
                    BadCase{"conv2d { out_channels: 4 kernel: 3 }", {kFeatures}, {"conv2d"}},
                    BadCase{"conv2d { out_channels: 4 kernel: 3 }", {kImage, kImage}, {"conv2d"}},
                    BadCase{"conv2d { out_channels: 6 kernel: 3 groups: 4 }", {kImage}, {"conv2d.groups"}},
                    BadCase{"conv2d { out_channels: 16777216 kernel: 1 padding { amount: 1048576 } }",
                            {kImage},
                            {"conv2d.padding"}},
                    Bad("conv2d", "kernel: 0", {"kernel"}), Bad("conv2d", "kernel: [3, 3, 3]", {"kernel"}),
                    Bad("conv2d", "kernel: 3 stride: 0", {"stride"}),
                    Bad("conv2d", "kernel: 3 stride: [1, 4294967295]", {"stride"}),
                    Bad("conv2d", "kernel: 3 dilation: [1, 0]", {"dilation"}),
                    Bad("conv2d", "kernel: 4294967295 dilation: 4294967295", {"kernel", "dilation"}),
                    Bad("conv2d", "kernel: 9", {"kernel", "kernel"}), Bad("conv2d", "kernel: [9, 8]", {"kernel"}),
                    Bad("conv2d", "kernel: 3 dilation: [4, 3]", {"kernel"}),
                    Bad("conv2d", "kernel: 3 groups: 0", {"groups"}), Bad("conv2d", "kernel: 3 groups: 3", {"groups"}),
                    Bad("conv2d", "kernel: 3 padding { amount: [1, 1, 1] }", {"padding.amount"}),
                    Bad("conv2d", "kernel: 3 padding { amount: 4294967295 }", {"padding.amount"}),
                    Bad("conv2d", "kernel: 3 padding { mode: MODE_SAME amount: 1 }", {"padding.amount"}),
                    Bad("conv2d", "kernel: 3 padding { mode: MODE_VALID amount: 1 }", {"padding.amount"}),
                    Bad("conv2d", "kernel: 3 weight_init { normal { std: -1 } }", {"weight_init.normal.std"}),
                    Bad("conv2d", "kernel: 3 bias_init { normal { std: -1 } }", {"bias_init.normal.std"})));

INSTANTIATE_TEST_SUITE_P(
    Pooling, BadLayer,
    testing::Values(Bad("max_pool", "", {"kernel"}), Bad("max_pool", "kernel: 0", {"kernel"}),
                    Bad("max_pool", "kernel: 2 stride: 0", {"stride"}),
                    Bad("max_pool", "kernel: 2 padding { amount: 2 }", {"padding.amount"}),
                    Bad("max_pool", "kernel: [3, 2] padding { amount: [0, 2, 0, 2] }", {"padding.amount"}),
                    Bad("max_pool", "kernel: 9", {"kernel", "kernel"}),
                    BadCase{"max_pool { kernel: 2 }", {kFeatures}, {"max_pool"}}, Bad("avg_pool", "", {"kernel"}),
                    Bad("avg_pool", "kernel: 2 padding { amount: [0, 0, 0, 7] }", {"padding.amount"}),
                    Bad("avg_pool", "kernel: [8, 9]", {"kernel"}),
                    BadCase{"global_avg_pool {}", {kFeatures}, {"global_avg_pool"}},
                    BadCase{"global_avg_pool {}", {kImage, kImage}, {"global_avg_pool"}}));

INSTANTIATE_TEST_SUITE_P(
    Others, BadLayer,
    testing::Values(
        Bad("batch_norm", "epsilon: 0", {"epsilon"}), Bad("batch_norm", "epsilon: nan", {"epsilon"}),
        Bad("batch_norm", "epsilon: inf", {"epsilon"}), Bad("batch_norm", "momentum: 0", {"momentum"}),
        Bad("batch_norm", "momentum: 1.5 epsilon: -1", {"epsilon", "momentum"}),
        Bad("batch_norm", "weight_init { normal { std: -1 } }", {"weight_init.normal.std"}),
        BadCase{"batch_norm {}", {kImage, kImage}, {"batch_norm"}}, Bad("dropout", "rate: 1", {"rate"}),
        Bad("dropout", "rate: -0.1", {"rate"}), Bad("dropout", "rate: nan", {"rate"}),
        BadCase{"dropout {}", {kImage, kImage}, {"dropout"}}, BadCase{"flatten {}", {kImage, kImage}, {"flatten"}},
        BadCase{"add {}", {kImage}, {"add"}}, BadCase{"add {}", {kImage, {16, 8, 7}, kFeatures}, {"add", "add"}},
        BadCase{"concat {}", {kImage}, {"concat"}},
        BadCase{"concat {}", {kImage, {3, 8, 7}, kFeatures}, {"concat", "concat"}},
        BadCase{"softmax {}", {kImage, kImage}, {"softmax"}}, Bad("stochastic_depth", "survival: 0", {"survival"}),
        Bad("stochastic_depth", "survival: 1.01", {"survival"}), Bad("stochastic_depth", "survival: nan", {"survival"}),
        BadCase{"stochastic_depth {}", {kImage, kImage}, {"stochastic_depth"}},
        BadCase{"scalar_affine { weight: false bias: false }", {kImage}, {"scalar_affine"}},
        BadCase{"scalar_affine {}", {kImage, kImage}, {"scalar_affine"}}));

INSTANTIATE_TEST_SUITE_P(
    NormsAndRandomLayers, BadLayer,
    testing::Values(Bad("layer_norm", "epsilon: 0", {"epsilon"}), Bad("layer_norm", "epsilon: nan", {"epsilon"}),
                    BadCase{"layer_norm {}", {kImage, kImage}, {"layer_norm"}}, Bad("group_norm", "", {"groups"}),
                    Bad("group_norm", "groups: 3", {"groups"}), Bad("group_norm", "groups: 32", {"groups"}),
                    Bad("local_response_norm", "size: 4", {"size"}), Bad("local_response_norm", "k: 0", {"k"}),
                    Bad("local_response_norm", "alpha: -1 beta: nan", {"alpha", "beta"}),
                    BadCase{"local_response_norm {}", {kFeatures}, {"local_response_norm"}},
                    Bad("fractional_max_pool", "ratio: 1", {"ratio"}),
                    Bad("fractional_max_pool", "ratio: inf", {"ratio"}),
                    BadCase{"fractional_max_pool {}", {kFeatures}, {"fractional_max_pool"}},
                    BadCase{"fractional_max_pool {}", {{1, 1 << 25, 1}}, {"fractional_max_pool"}},
                    BadCase{"drop_connect {}", {kFeatures}, {"drop_connect.units"}},
                    BadCase{"drop_connect { units: 4 rate: 1 }", {kFeatures}, {"drop_connect.rate"}}));

TEST(Dense, SaysShapeParametersAndCost) {
  const Outcome outcome = Check("dense { units: 10 }", {{3, 4, 5}});
  ASSERT_THAT(outcome.fields, IsEmpty()) << outcome.messages;
  EXPECT_THAT(outcome.shape.output, ElementsAre(10));
  ASSERT_EQ(outcome.shape.parameters.size(), 2);
  const ParameterSpec& weight = outcome.shape.parameters[0];
  EXPECT_EQ(weight.name, "weight");
  EXPECT_THAT(weight.shape, ElementsAre(10, 60));
  EXPECT_EQ(weight.fan_in, 60);
  EXPECT_EQ(weight.fan_out, 10);
  EXPECT_TRUE(weight.penalized);
  EXPECT_EQ(outcome.shape.parameters[1].name, "bias");
  EXPECT_THAT(outcome.shape.parameters[1].shape, ElementsAre(10));
  EXPECT_FALSE(outcome.shape.parameters[1].penalized);
  EXPECT_EQ(outcome.shape.forward_flops, 2 * 10 * 60 + 10);
  EXPECT_TRUE(outcome.config.dense().bias());
  EXPECT_TRUE(outcome.config.dense().weight_init().has_kaiming());
  EXPECT_TRUE(outcome.config.dense().bias_init().has_zeros());
}

TEST(Dense, WidensForMaxout) {
  const Outcome outcome = Check("dense { units: 10 bias: false }", {{60}}, 3);
  ASSERT_THAT(outcome.fields, IsEmpty()) << outcome.messages;
  EXPECT_THAT(outcome.shape.output, ElementsAre(30));
  ASSERT_EQ(outcome.shape.parameters.size(), 1);
  EXPECT_THAT(outcome.shape.parameters[0].shape, ElementsAre(30, 60));
  EXPECT_EQ(outcome.config.dense().units(), 10);
  EXPECT_THAT(Check("dense { units: 16777216 }", {{1}}, 4294967295).fields, testing::Contains("dense.units"));
}

TEST(Conv2d, SaysShapeParametersAndCost) {
  const Outcome outcome = Check("conv2d { out_channels: 6 kernel: [3, 5] stride: 2 groups: 2 }", {{4, 9, 11}});
  ASSERT_THAT(outcome.fields, IsEmpty()) << outcome.messages;
  EXPECT_THAT(outcome.shape.output, ElementsAre(6, 4, 4));
  const ParameterSpec& weight = outcome.shape.parameters[0];
  EXPECT_THAT(weight.shape, ElementsAre(6, 2, 3, 5));
  EXPECT_EQ(weight.fan_in, 2 * 15);
  EXPECT_EQ(weight.fan_out, 3 * 15);
  EXPECT_EQ(outcome.shape.forward_flops, 6 * 4 * 4 * (2 * 2 * 15 + 1));
  const v1::Conv2d& resolved = outcome.config.conv2d();
  EXPECT_THAT(resolved.kernel(), ElementsAre(3, 5));
  EXPECT_THAT(resolved.stride(), ElementsAre(2, 2));
  EXPECT_THAT(resolved.dilation(), ElementsAre(1, 1));
  EXPECT_EQ(resolved.padding().mode(), v1::Padding::MODE_VALID);
}

TEST(Conv2d, SaysItsGeometry) {
  const std::string options = "out_channels: 6 kernel: [3, 5] stride: [2, 1] dilation: [1, 2] groups: 2 ";
  const auto shape =
      Check("conv2d { " + options + "padding { mode: MODE_SAME } }", {{4, 10, 12}}, /*pieces=*/3).shape.convolution;
  ASSERT_TRUE(shape);
  EXPECT_EQ(shape->in_channels, 4);
  EXPECT_EQ(shape->out_channels, 18);
  EXPECT_EQ(shape->groups, 2);
  EXPECT_THAT(shape->window.kernel, ElementsAre(3, 5));
  EXPECT_THAT(shape->window.stride, ElementsAre(2, 1));
  EXPECT_THAT(shape->window.dilation, ElementsAre(1, 2));
  EXPECT_THAT(shape->placed.padding_begin, ElementsAre(0, 4));
  EXPECT_THAT(shape->placed.padding_end, ElementsAre(1, 4));
  EXPECT_THAT(shape->placed.output, ElementsAre(5, 12));
  EXPECT_FALSE(Check("max_pool { kernel: 2 }", {{4, 10, 12}}).shape.convolution);
}

TEST(Conv2d, PaddingGivesTheSize) {
  const auto output = [](const std::string& options, const Shape& input) {
    return Check("conv2d { out_channels: 4 " + options + " }", {input}).shape.output;
  };
  EXPECT_THAT(output("kernel: 4 stride: 3 padding { mode: MODE_SAME }", {3, 10, 12}), ElementsAre(4, 4, 4));
  EXPECT_THAT(output("kernel: 3 dilation: 2 padding { mode: MODE_SAME }", {3, 5, 1}), ElementsAre(4, 5, 1));
  EXPECT_THAT(output("kernel: 3 padding { amount: 2 }", {3, 5, 6}), ElementsAre(4, 7, 8));
  EXPECT_THAT(output("kernel: 3 padding { amount: [1, 2] }", {3, 5, 6}), ElementsAre(4, 5, 8));
  EXPECT_THAT(output("kernel: 3 padding { amount: [0, 1, 2, 3] }", {3, 5, 6}), ElementsAre(4, 4, 9));
}

TEST(Norms, SayParametersCostAndDefaults) {
  const Outcome layer = Check("layer_norm {}", {{5, 7, 8}});
  ASSERT_THAT(layer.fields, IsEmpty()) << layer.messages;
  EXPECT_THAT(layer.shape.output, ElementsAre(5, 7, 8));
  ASSERT_EQ(layer.shape.parameters.size(), 2u);
  EXPECT_THAT(layer.shape.parameters[0].shape, ElementsAre(5, 7, 8));
  EXPECT_EQ(layer.shape.parameters[0].initializer.constant().value(), 1);
  EXPECT_FALSE(layer.shape.parameters[0].penalized);
  EXPECT_EQ(layer.shape.forward_flops, 5 * 7 * 8 * 6);
  EXPECT_EQ(layer.config.layer_norm().epsilon(), 1e-5);

  const Outcome group = Check("group_norm { groups: 5 epsilon: 0.1 }", {{15, 7, 8}});
  ASSERT_THAT(group.fields, IsEmpty()) << group.messages;
  EXPECT_THAT(group.shape.output, ElementsAre(15, 7, 8));
  EXPECT_THAT(group.shape.parameters[0].shape, ElementsAre(15));
  EXPECT_EQ(group.shape.parameters[1].name, "bias");
  EXPECT_EQ(group.shape.forward_flops, 15 * 7 * 8 * 6);

  const Outcome responses = Check("local_response_norm {}", {{15, 7, 8}});
  ASSERT_THAT(responses.fields, IsEmpty()) << responses.messages;
  EXPECT_THAT(responses.shape.parameters, IsEmpty());
  EXPECT_EQ(responses.shape.forward_flops, 15 * 7 * 8 * 14);
  EXPECT_EQ(responses.config.local_response_norm().size(), 5);
  EXPECT_EQ(responses.config.local_response_norm().alpha(), 1e-4);
  EXPECT_EQ(responses.config.local_response_norm().beta(), 0.75);
  EXPECT_EQ(responses.config.local_response_norm().k(), 1);
}

TEST(FractionalMaxPool, SaysItsShape) {
  const Outcome pool = Check("fractional_max_pool {}", {{3, 32, 7}});
  ASSERT_THAT(pool.fields, IsEmpty()) << pool.messages;
  EXPECT_THAT(pool.shape.output, ElementsAre(3, 22, 4));
  EXPECT_EQ(pool.shape.forward_flops, 3 * 22 * 4 * 9);
  EXPECT_EQ(pool.config.fractional_max_pool().sequence(), v1::FractionalMaxPool::SEQUENCE_RANDOM);
  EXPECT_THAT(Check("fractional_max_pool { ratio: 2 disjoint: true }", {{3, 33, 1}}).shape.output,
              ElementsAre(3, 17, 1));
}

TEST(DropConnect, IsThatOfADenseLayer) {
  const Outcome outcome = Check("drop_connect { units: 10 }", {{3, 4, 5}}, 2);
  ASSERT_THAT(outcome.fields, IsEmpty()) << outcome.messages;
  EXPECT_THAT(outcome.shape.output, ElementsAre(20));
  EXPECT_THAT(outcome.shape.parameters[0].shape, ElementsAre(20, 60));
  EXPECT_TRUE(outcome.shape.parameters[0].penalized);
  EXPECT_EQ(outcome.shape.parameters[0].fan_in, 60);
  EXPECT_EQ(outcome.shape.forward_flops, 20 * (2 * 60 + 1));
  EXPECT_EQ(outcome.config.drop_connect().rate(), 0.5);
  EXPECT_TRUE(outcome.config.drop_connect().weight_init().has_kaiming());
}

// A resolved config is shown to the user and stored with the job: it must mean the same again.
TEST(Resolved, IsAFixedPoint) {
  for (const char* text :
       {"dense { units: 3 }", "conv2d { out_channels: 4 kernel: 3 }",
        "conv2d { out_channels: 4 kernel: 3 padding { amount: [1, 2] } bias: false }",
        "conv2d { out_channels: 4 kernel: 3 padding { mode: MODE_SAME } }", "max_pool { kernel: 2 }",
        "avg_pool { kernel: [3, 2] padding { amount: 1 } }", "batch_norm {}", "dropout {}", "layer_norm {}",
        "group_norm { groups: 4 }", "local_response_norm {}", "fractional_max_pool {}", "drop_connect { units: 3 }",
        "stochastic_depth {}", "scalar_affine { bias: false }"}) {
    const Outcome once = Check(text, {kImage});
    ASSERT_THAT(once.fields, IsEmpty()) << once.messages;
    const Outcome twice = Check(once.config.DebugString(), {kImage});
    EXPECT_THAT(twice.fields, IsEmpty()) << twice.messages;
    EXPECT_EQ(once.config.DebugString(), twice.config.DebugString());
    EXPECT_EQ(once.shape.output, twice.shape.output);
  }
}

TEST(Pooling, SaysItsShape) {
  const Outcome max = Check("max_pool { kernel: 2 }", {{5, 7, 8}});
  EXPECT_THAT(max.shape.output, ElementsAre(5, 3, 4));
  EXPECT_THAT(max.config.max_pool().stride(), ElementsAre(2, 2));
  EXPECT_THAT(Check("avg_pool { kernel: 3 stride: 2 padding { mode: MODE_SAME } }", {{5, 7, 8}}).shape.output,
              ElementsAre(5, 4, 4));
  EXPECT_THAT(Check("max_pool { kernel: 3 stride: 1 padding { amount: [1, 1, 0, 2] } }", {{5, 7, 8}}).shape.output,
              ElementsAre(5, 7, 8));
  EXPECT_THAT(Check("global_avg_pool {}", {{5, 7, 8}}).shape.output, ElementsAre(5));
}

TEST(BatchNorm, HasTrainedAndRunningTensors) {
  const Outcome outcome = Check("batch_norm {}", {{5, 7, 8}});
  ASSERT_THAT(outcome.fields, IsEmpty()) << outcome.messages;
  EXPECT_THAT(outcome.shape.output, ElementsAre(5, 7, 8));
  std::vector<std::string> names;
  for (const ParameterSpec& parameter : outcome.shape.parameters) {
    names.push_back(parameter.name);
    EXPECT_THAT(parameter.shape, ElementsAre(5));
    EXPECT_FALSE(parameter.penalized);
    EXPECT_EQ(parameter.trained, !parameter.name.starts_with("running"));
  }
  EXPECT_THAT(names, ElementsAre("weight", "bias", "running_mean", "running_var"));
  EXPECT_EQ(outcome.shape.parameters[0].initializer.constant().value(), 1);
  EXPECT_EQ(outcome.shape.parameters[3].initializer.constant().value(), 1);
  EXPECT_EQ(outcome.config.batch_norm().epsilon(), 1e-5);
  EXPECT_EQ(outcome.config.batch_norm().momentum(), 0.1);
}

TEST(Shapes, OfTheLayersWithoutParameters) {
  EXPECT_THAT(Check("flatten {}", {{5, 7, 8}}).shape.output, ElementsAre(280));
  EXPECT_THAT(Check("softmax {}", {{5, 7, 8}}).shape.output, ElementsAre(5, 7, 8));
  EXPECT_THAT(Check("add {}", {{5, 7, 8}, {5, 7, 8}}).shape.output, ElementsAre(5, 7, 8));
  EXPECT_THAT(Check("concat {}", {{5, 7, 8}, {2, 7, 8}, {1, 7, 8}}).shape.output, ElementsAre(8, 7, 8));
  EXPECT_THAT(Check("concat {}", {{5}, {2}}).shape.output, ElementsAre(7));
  const Outcome dropout = Check("dropout {}", {{5, 7, 8}});
  EXPECT_THAT(dropout.shape.output, ElementsAre(5, 7, 8));
  EXPECT_EQ(dropout.config.dropout().rate(), 0.5);
  EXPECT_EQ(dropout.config.dropout().form(), v1::Dropout::FORM_INVERTED);
}

TEST(ScalarAffine, HasOneNumberEach) {
  const Outcome both = Check("scalar_affine {}", {{5, 7, 8}});
  ASSERT_THAT(both.fields, IsEmpty()) << both.messages;
  ASSERT_EQ(both.shape.parameters.size(), 2);
  EXPECT_EQ(both.shape.parameters[0].name, "weight");
  EXPECT_THAT(both.shape.parameters[0].shape, ElementsAre(1));
  EXPECT_EQ(both.shape.parameters[0].initializer.constant().value(), 1);
  EXPECT_FALSE(both.shape.parameters[0].penalized);
  EXPECT_EQ(both.shape.parameters[1].name, "bias");
  EXPECT_THAT(both.shape.output, ElementsAre(5, 7, 8));
  EXPECT_EQ(Check("scalar_affine { weight: false }", {{5}}).shape.parameters.size(), 1);
}

TEST(Messages, NameTheShapes) {
  EXPECT_THAT(Check("add {}", {{5, 7, 8}, {5, 7, 9}}).messages, HasSubstr("number 2 is [5, 7, 9]"));
  EXPECT_THAT(Check("conv2d { out_channels: 4 kernel: 3 }", {{784}}).messages,
              HasSubstr("[channels, height, width], not [784]"));
}

}  // namespace
}  // namespace traind::core
