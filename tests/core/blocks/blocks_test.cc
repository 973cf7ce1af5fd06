// What blocks expand into: names, inputs, shapes, and that the expanded network is the same graph again.
#include <cmath>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "tests/core/blocks/expand.h"

namespace traind::core {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const char kHead[] = " layers { name: 'pool' global_avg_pool {} } layers { name: 'logits' dense { units: 3 } }";

std::string OnImage(const std::string& block) {
  return "input_shape: [16, 8, 8] layers { name: 'b' block { " + block + " } }" + kHead;
}

TEST(Residual, PostActivationKeepsAnIdentityShortcut) {
  const Built built = Build(OnImage("residual { channels: 16 }"));
  ASSERT_NE(built.graph, nullptr) << built.errors;
  EXPECT_THAT(built.Names(), ElementsAre("b.conv1", "b.norm1", "b.conv2", "b.norm2", "b", "pool", "logits"));
  EXPECT_THAT(built.Reads("b"), ElementsAre("b.norm2", "input"));
  EXPECT_EQ(built.Find("b.norm1")->activation_kind, "relu");
  EXPECT_EQ(built.Find("b.norm2")->activation_kind, "");
  EXPECT_EQ(built.Find("b")->kind, "add");
  EXPECT_EQ(built.Find("b")->activation_kind, "relu");
  EXPECT_THAT(built.Find("b")->output, ElementsAre(16, 8, 8));
}

TEST(Residual, ProjectsWhereTheShapeChanges) {
  const Built built = Build(OnImage("residual { channels: 32 stride: 2 survival: 0.8 dropout: 0.1 }"));
  ASSERT_NE(built.graph, nullptr) << built.errors;
  EXPECT_THAT(built.Names(), ElementsAre("b.conv1", "b.norm1", "b.drop1", "b.conv2", "b.norm2", "b.depth", "b.shortcut",
                                         "b.shortcut_norm", "b", "pool", "logits"));
  EXPECT_THAT(built.Reads("b.shortcut"), ElementsAre("input"));
  EXPECT_THAT(built.Reads("b"), ElementsAre("b.depth", "b.shortcut_norm"));
  EXPECT_THAT(built.Find("b")->output, ElementsAre(32, 4, 4));
}

TEST(Residual, PreActivationProjectsTheActivatedInput) {
  const Built built = Build(
      OnImage("residual { body: BODY_BOTTLENECK channels: 8 order: ORDER_PRE_ACTIVATION activation { elu {} } }"));
  ASSERT_NE(built.graph, nullptr) << built.errors;
  EXPECT_THAT(built.Names(), ElementsAre("b.norm1", "b.conv1", "b.norm2", "b.conv2", "b.norm3", "b.conv3", "b.shortcut",
                                         "b", "pool", "logits"));
  EXPECT_THAT(built.Reads("b.shortcut"), ElementsAre("b.norm1"));
  EXPECT_EQ(built.Find("b.norm3")->activation_kind, "elu");
  EXPECT_EQ(built.Find("b")->activation_kind, "");
  EXPECT_THAT(built.Find("b")->output, ElementsAre(32, 8, 8));
  // Without the change of shape, nothing is projected.
  EXPECT_EQ(
      Build(OnImage("residual { body: BODY_BOTTLENECK channels: 4 order: ORDER_PRE_ACTIVATION }")).Find("b.shortcut"),
      nullptr);
}

TEST(Residual, TakesWrittenLayers) {
  const std::string layers =
      "residual { layers { name: 'c' inputs: 'a' conv2d { out_channels: 24 kernel: 3 stride: 2 padding { amount: 1 } } "
      "}"
      " layers { name: 'a' inputs: 'input' batch_norm {} } layers { name: 'd' inputs: ['c', 'c'] add {} } }";
  const Built built = Build(OnImage(layers));
  ASSERT_NE(built.graph, nullptr) << built.errors;
  // In an order in which each comes after what it reads.
  EXPECT_THAT(built.Names(), ElementsAre("b.a", "b.c", "b.d", "b.shortcut", "b.shortcut_norm", "b", "pool", "logits"));
  EXPECT_THAT(built.Find("b.shortcut")->output, ElementsAre(24, 4, 4));
  EXPECT_THAT(built.Reads("b"), ElementsAre("b.d", "b.shortcut_norm"));
}

TEST(Residual, ProjectsFeaturesWithADenseLayer) {
  const Built built = Build(
      "input_shape: 6 layers { name: 'b' block { residual { layers { name: 'fc' dense { units: 4 } activation { relu "
      "{} "
      "} } } } }");
  ASSERT_NE(built.graph, nullptr) << built.errors;
  EXPECT_THAT(built.Names(), ElementsAre("b.fc", "b.shortcut", "b"));
  EXPECT_EQ(built.graph->num_parameters(), 6 * 4 + 4 + 6 * 4);
}

TEST(Residual, FixupHasScalarsInPlaceOfNormalization) {
  const std::string block = "block { residual { channels: 16 initialization: INITIALIZATION_FIXUP } } }";
  const Built built = Build("input_shape: [16, 8, 8] layers { name: 'a' " + block + " layers { name: 'b' " + block +
                            " layers { name: 'c' " + block + " layers { name: 'd' " + block + kHead);
  ASSERT_NE(built.graph, nullptr) << built.errors;
  EXPECT_EQ(built.Names()[0], "a.bias1a");
  ASSERT_NE(built.Find("d.scale"), nullptr);
  EXPECT_EQ(built.Find("d.scale")->parameters.size(), 2);
  EXPECT_EQ(built.Find("d.bias2a")->parameters.size(), 1);
  EXPECT_EQ(built.Find("d.norm1"), nullptr);
  // Four blocks with two convolutions each: 4^(-1/2) of Kaiming's sqrt(2).
  EXPECT_NEAR(built.Find("b.conv1")->parameters[0].initializer.xavier().gain(), std::sqrt(2.0) / 2, 1e-12);
  EXPECT_TRUE(built.Find("b.conv2")->parameters[0].initializer.has_zeros());
}

// Blocks written inside of blocks are counted, too: one of three here.
TEST(Residual, FixupCountsEveryResidualBlock) {
  const std::string fixup = "block { residual { channels: 16 initialization: INITIALIZATION_FIXUP } }";
  const Built built = Build(
      "input_shape: [16, 8, 8] layers { name: 'a' block { residual { layers { name: 'in' block { branches { "
      "branches { layers { name: 'b' " +
      fixup + " } } branches { layers { name: 'c' conv2d { out_channels: 16 kernel: 1 } } } } } } } } } " +
      "layers { name: 'd' " + fixup + " }");
  ASSERT_NE(built.graph, nullptr) << built.errors;
  EXPECT_NEAR(built.Find("d.conv1")->parameters[0].initializer.xavier().gain(), std::sqrt(2.0 / 3), 1e-12);
  // Nothing in the outer block normalizes over the batch, so its projection does not either.
  EXPECT_NE(built.Find("a.shortcut"), nullptr);
  EXPECT_EQ(built.Find("a.shortcut_norm"), nullptr);
}

TEST(Residual, ProjectsWithBatchNormWhereABlockInsideHasIt) {
  for (const std::string inner : {"residual { channels: 24 }", "dense_block { layers: 1 growth: 8 }",
                                  "branches { branches { layers { name: 'n' batch_norm {} } } branches {} }"}) {
    const Built built = Build(OnImage("residual { layers { name: 'in' block { " + inner + " } } }"));
    ASSERT_NE(built.graph, nullptr) << built.errors;
    EXPECT_NE(built.Find("b.shortcut_norm"), nullptr) << inner;
  }
}

TEST(Residual, ZeroLastGoesThroughWhatPassesZeros) {
  const auto initializer = [](const std::string& behind) {
    const Built built = Build(
        OnImage("residual { initialization: INITIALIZATION_ZERO_LAST layers { name: 'c' conv2d { out_channels: 16 "
                "kernel: 1 } } " +
                behind + " }"));
    return built.graph ? built.Find("b.c")->parameters[0].initializer.DebugString() : built.errors;
  };
  EXPECT_THAT(initializer(""), HasSubstr("zeros"));
  EXPECT_THAT(initializer("layers { name: 'd' dropout {} } layers { name: 's' stochastic_depth {} }"),
              HasSubstr("zeros"));
  EXPECT_THAT(initializer("layers { name: 'p' max_pool { kernel: 2 } }"), HasSubstr("ZERO_LAST needs"));
  EXPECT_THAT(initializer("layers { name: 'a' activation { identity {} } }"), HasSubstr("ZERO_LAST needs"));
  // What is wrong with a layer is said of that layer.
  EXPECT_THAT(initializer("layers { name: 'd' dropout { rate: 2 } }"), HasSubstr("must be in [0, 1)"));
}

TEST(DenseBlock, JoinsEachLayerToWhatItRead) {
  const Built built = Build(OnImage("dense_block { layers: 2 growth: 4 bottleneck: true }"));
  ASSERT_NE(built.graph, nullptr) << built.errors;
  EXPECT_THAT(built.Names(), ElementsAre("b.norm1", "b.reduce1", "b.reduce_norm1", "b.conv1", "b.joined1", "b.norm2",
                                         "b.reduce2", "b.reduce_norm2", "b.conv2", "b", "pool", "logits"));
  EXPECT_THAT(built.Reads("b"), ElementsAre("b.joined1", "b.conv2"));
  EXPECT_THAT(built.Find("b")->output, ElementsAre(24, 8, 8));
  EXPECT_THAT(built.Find("b.reduce1")->output, ElementsAre(16, 8, 8));
}

TEST(Transition, KeepsAShareOfTheChannels) {
  const Built built = Build(OnImage("transition { compression: 0.47 }"));
  ASSERT_NE(built.graph, nullptr) << built.errors;
  EXPECT_THAT(built.Find("b")->output, ElementsAre(7, 4, 4));
}

TEST(Branches, AreJoinedInOrder) {
  const Built built =
      Build(OnImage("branches { branches { layers { name: 'one' conv2d { out_channels: 5 kernel: 1 } } } branches {} "
                    "branches { layers { name: 'max' max_pool { kernel: 3 stride: 1 padding { amount: 1 } } } "
                    "layers { name: 'two' conv2d { out_channels: 7 kernel: 1 } } } }"));
  ASSERT_NE(built.graph, nullptr) << built.errors;
  EXPECT_THAT(built.Reads("b"), ElementsAre("b.one", "input", "b.two"));
  EXPECT_THAT(built.Reads("b.max"), ElementsAre("input"));
  EXPECT_THAT(built.Find("b")->output, ElementsAre(28, 8, 8));
}

TEST(Blocks, NestAndPassOnRegularizersAndActivation) {
  const Built built = Build(
      "input_shape: [16, 8, 8] regularizers { l2 { strength: 1 } } layers { name: 'first' conv2d { out_channels: 16 "
      "kernel: 1 } } layers { name: 'b' regularizers { l2 { strength: 2 } } activation { elu {} } block { residual { "
      "layers { name: 'inner' block { residual { channels: 16 } } activation { tanh {} } } "
      "layers { name: 'free' unregularized: true conv2d { out_channels: 16 kernel: 1 } } "
      "layers { name: 'own' conv2d { out_channels: 16 kernel: 1 } regularizers { l2 { strength: 3 } } } } } } " +
      std::string(kHead));
  ASSERT_NE(built.graph, nullptr) << built.errors;
  EXPECT_EQ(built.Find("first")->penalties[v1::PARAMETER_GROUP_WEIGHTS].l2, 1);
  EXPECT_EQ(built.Find("b.inner.conv1")->penalties[v1::PARAMETER_GROUP_WEIGHTS].l2, 2);
  EXPECT_EQ(built.Find("b.free")->penalties[v1::PARAMETER_GROUP_WEIGHTS].l2, 0);
  EXPECT_EQ(built.Find("b.own")->penalties[v1::PARAMETER_GROUP_WEIGHTS].l2, 3);
  // The sum of the inner block has its own relu already: its activation is one more layer, with the block's name.
  EXPECT_EQ(built.Find("b.inner.sum")->activation_kind, "relu");
  EXPECT_EQ(built.Find("b.inner")->kind, "tanh");
  EXPECT_EQ(built.Find("b")->kind, "add");
  EXPECT_EQ(built.Find("b")->activation_kind, "elu");
  EXPECT_THAT(built.Reads("b.free"), ElementsAre("b.inner"));
  EXPECT_EQ(built.Find("logits")->penalties[v1::PARAMETER_GROUP_WEIGHTS].l2, 1);
}

TEST(Blocks, UnregularizedIsForAllOfThem) {
  const Built built = Build(
      "input_shape: [16, 8, 8] regularizers { l2 { strength: 1 } } layers { name: 'b' unregularized: true block { "
      "residual { channels: 16 } } }" +
      std::string(kHead));
  ASSERT_NE(built.graph, nullptr) << built.errors;
  EXPECT_EQ(built.Find("b.conv2")->penalties[v1::PARAMETER_GROUP_WEIGHTS].l2, 0);
}

TEST(Blocks, MaxoutAfterABlockIsALayerOfItsOwn) {
  const Built built = Build(
      "input_shape: [16, 8, 8] layers { name: 'b' activation { maxout {} } block { dense_block { layers: 1 growth: 4 } "
      "} "
      "}" +
      std::string(kHead));
  ASSERT_NE(built.graph, nullptr) << built.errors;
  EXPECT_EQ(built.Find("b.joined1")->kind, "concat");
  EXPECT_THAT(built.Find("b")->output, ElementsAre(10, 8, 8));
}

// A job stores the expanded network, and the worker builds it again.
TEST(Blocks, ExpandedBuildsToTheSameGraph) {
  Built once = Build(
      "input_shape: [8, 8, 8] layers { name: 'd' inputs: 'e' block { dense_block { layers: 3 growth: 8 dropout: 0.1 } "
      "} "
      "} layers { name: 'e' inputs: 'input' block { residual { channels: 16 stride: 2 survival: 0.5 order: "
      "ORDER_PRE_ACTIVATION } } } layers { name: 't' inputs: 'd' block { transition { compression: 0.5 } } } layers { "
      "name: "
      "'br' block { branches { branches { layers { name: 'x' conv2d { out_channels: 8 kernel: 1 } } } branches { } } } "
      "activation { swish {} } }" +
      std::string(kHead));
  ASSERT_NE(once.graph, nullptr) << once.errors;
  for (const v1::Layer& layer : once.network.layers()) EXPECT_FALSE(layer.has_block());
  const Built twice = Build(once.network.DebugString());
  ASSERT_NE(twice.graph, nullptr) << twice.errors;
  EXPECT_EQ(twice.network.DebugString(), once.network.DebugString());
  ASSERT_EQ(twice.graph->nodes().size(), once.graph->nodes().size());
  EXPECT_EQ(twice.graph->output_index(), once.graph->output_index());
  for (size_t i = 0; i < once.graph->nodes().size(); ++i) {
    const Node& a = once.graph->nodes()[i];
    const Node& b = twice.graph->nodes()[i];
    EXPECT_EQ(a.name, b.name);
    EXPECT_EQ(a.kind, b.kind);
    EXPECT_EQ(a.activation_kind, b.activation_kind);
    EXPECT_EQ(a.inputs, b.inputs);
    EXPECT_EQ(a.output, b.output);
    EXPECT_EQ(a.parameters.size(), b.parameters.size());
  }
}

TEST(Blocks, WhatABlockMadeReportsAtTheBlock) {
  const std::string small =
      Build(
          "input_shape: [16, 1, 1] layers { name: 'b' block { residual { channels: 16 } } } layers { name: 't' block { "
          "transition {} } }")
          .errors;
  EXPECT_THAT(small, HasSubstr("network.layers[1].block.transition: its layer \"t\" avg_pool.kernel "));
  const std::string written =
      Build(
          "input_shape: [16, 8, 8] layers { name: 'b' block { residual { layers { name: 'c' conv2d { out_channels: 16 "
          "kernel: 9 } } } } }")
          .errors;
  EXPECT_THAT(written, HasSubstr("network.layers[0].block.residual.layers[0].conv2d.kernel: "));
}

// The worst order for sorting: a request's worth of layers would take minutes.
TEST(Blocks, AListOfTooManyLayersIsRefusedBeforeItIsSorted) {
  v1::Network network;
  for (int d : {3, 8, 8}) network.add_input_shape(d);
  v1::Layer& block = *network.add_layers();
  block.set_name("b");
  for (int i = 0; i < 200'000; ++i) {
    v1::Layer& layer = *block.mutable_block()->mutable_residual()->add_layers();
    layer.set_name(absl::StrCat("l", i));
    layer.add_inputs(absl::StrCat("l", i + 1));
    layer.mutable_dropout();
  }
  FieldErrors::Root errors;
  EXPECT_EQ(Graph::Build(network, errors.scope("network")), nullptr);
  EXPECT_THAT(std::string(errors.ToStatus().message()),
              HasSubstr("network.layers[0].block.residual.layers: must be at most 10000 layers"));
}

}  // namespace
}  // namespace traind::core
