// The presets have the parameter counts of the published networks. Each number is stated with where it comes from: the
// paper, torchvision (its documented num_params), or sums over the paper's table made apart from this program.
#include <cstdint>
#include <map>
#include <string>

#include "core/job/job_warnings.h"
#include "gmock/gmock.h"
#include "tests/core/blocks/expand.h"

namespace traind::core {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Built Network(const std::string& shape, const std::string& preset) {
  return Build("input_shape: [" + shape + "] preset { " + preset + " }");
}

int64_t Parameters(const std::string& shape, const std::string& preset) {
  const Built built = Network(shape, preset);
  EXPECT_NE(built.graph, nullptr) << built.errors;
  if (built.graph == nullptr) return -1;
  EXPECT_FALSE(built.network.has_preset());
  const Built again = Build(built.network.DebugString());
  EXPECT_EQ(again.network.DebugString(), built.network.DebugString()) << "builds to the same network again";
  return built.graph->num_parameters();
}

// Numbers of the weights and the biases of each layer that has some.
std::map<std::string, std::pair<int64_t, int64_t>> ByLayer(const Built& built) {
  std::map<std::string, std::pair<int64_t, int64_t>> counts;
  for (const Node& node : built.graph->nodes()) {
    for (const ParameterSpec& parameter : node.parameters) {
      auto& count = parameter.name == "weight" ? counts[node.name].first : counts[node.name].second;
      count += Elements(parameter.shape);
    }
  }
  return counts;
}

using Table = std::map<std::string, std::pair<int64_t, int64_t>>;
constexpr char kImageNet[] = "3, 224, 224";
constexpr char kCifar[] = "3, 32, 32";

TEST(Alexnet, HasTheTableOfSlide81) {
  // 35k, 615k (307k in two groups), 885k, 1327k, 885k, 37,749k, 16,777k, 4,096k.
  const Built one_group = Network("3, 227, 227", "alexnet { classes: 1000 ungrouped: true }");
  ASSERT_NE(one_group.graph, nullptr) << one_group.errors;
  EXPECT_EQ(ByLayer(one_group), (Table{{"conv1", {34'848, 96}},
                                       {"conv2", {614'400, 256}},
                                       {"conv3", {884'736, 384}},
                                       {"conv4", {1'327'104, 384}},
                                       {"conv5", {884'736, 256}},
                                       {"fc6", {37'748'736, 4096}},
                                       {"fc7", {16'777'216, 4096}},
                                       {"fc8", {4'096'000, 1000}}}));
  EXPECT_THAT(one_group.Find("conv1")->output, ElementsAre(96, 55, 55));
  EXPECT_THAT(one_group.Find("pool2")->output, ElementsAre(256, 13, 13));
  EXPECT_THAT(one_group.Find("pool5")->output, ElementsAre(256, 6, 6));
  EXPECT_EQ(one_group.graph->num_parameters(), 62'378'344);

  const Built two_groups = Network("3, 227, 227", "alexnet { classes: 1000 }");
  ASSERT_NE(two_groups.graph, nullptr) << two_groups.errors;
  Table grouped = ByLayer(two_groups);
  EXPECT_EQ(grouped["conv2"].first, 307'200);
  EXPECT_EQ(grouped["conv4"].first, 663'552);
  EXPECT_EQ(grouped["conv5"].first, 442'368);
  EXPECT_EQ(two_groups.graph->num_parameters(), 60'965'224);  // Of Caffe's bvlc_alexnet, the published network.
}

TEST(Vgg16, HasTheTableOfSlide81) {
  const Built built = Network(kImageNet, "vgg16 { classes: 1000 }");
  ASSERT_NE(built.graph, nullptr) << built.errors;
  EXPECT_EQ(ByLayer(built), (Table{{"conv1_1", {1'728, 64}},
                                   {"conv1_2", {36'864, 64}},
                                   {"conv2_1", {73'728, 128}},
                                   {"conv2_2", {147'456, 128}},
                                   {"conv3_1", {294'912, 256}},
                                   {"conv3_2", {589'824, 256}},
                                   {"conv3_3", {589'824, 256}},
                                   {"conv4_1", {1'179'648, 512}},
                                   {"conv4_2", {2'359'296, 512}},
                                   {"conv4_3", {2'359'296, 512}},
                                   {"conv5_1", {2'359'296, 512}},
                                   {"conv5_2", {2'359'296, 512}},
                                   {"conv5_3", {2'359'296, 512}},
                                   {"fc6", {102'760'448, 4096}},
                                   {"fc7", {16'777'216, 4096}},
                                   {"fc8", {4'096'000, 1000}}}));
  EXPECT_EQ(built.graph->num_parameters(), 138'357'544);  // torchvision's vgg16.
}

TEST(Vgg16, WithBatchNormAndForCifar) {
  EXPECT_EQ(Parameters(kImageNet, "vgg16 { classes: 1000 batch_norm: true }"), 138'365'992);  // torchvision's vgg16_bn.
  // The convolutions, two numbers for each of 4224 channels, and 512 x 10 + 10.
  EXPECT_EQ(Parameters(kCifar, "vgg16 { classes: 10 batch_norm: true dense_width: 0 }"), 14'714'688 + 8'448 + 5'130);
}

TEST(Lenet, HasTheCountOfTheCourseBooks) {
  EXPECT_EQ(Parameters("1, 32, 32", "lenet { classes: 10 }"), 61'706);
  EXPECT_EQ(Parameters("1, 28, 28", "lenet { classes: 10 }"), 61'706);
  // Two numbers stand in the place of every bias.
  EXPECT_EQ(Parameters("1, 28, 28", "lenet { classes: 10 batch_norm: true }"), 61'706 + 6 + 16 + 120 + 84);
}

TEST(Mlp, IsThatOfSlide48) {
  EXPECT_EQ(Parameters("4096", "mlp { classes: 10 depth: 6 width: 4096 }"), 6 * (4096 * 4096 + 4096) + 40'970);
  EXPECT_EQ(Parameters("784", "mlp { classes: 10 batch_norm: true dropout: 0.5 }"),
            784 * 512 + 512 * 512 + 2 * 2 * 512 + 5'130);
  EXPECT_EQ(Parameters("784", "mlp { classes: 10 depth: 0 }"), 7'850);
}

TEST(Googlenet, IsThatOfThePaper) {
  // torchvision's googlenet without auxiliary classifiers has 6,624,904: batch norm, no biases, and 3x3 where the paper
  // has 5x5, that is 16 weights less for each pair of channels in the third branch.
  const int64_t pairs = 16 * 32 + 32 * 96 + 16 * 48 + 24 * 64 + 24 * 64 + 32 * 64 + 32 * 128 + 32 * 128 + 48 * 128;
  const Built built = Network(kImageNet, "googlenet { classes: 1000 batch_norm: true }");
  ASSERT_NE(built.graph, nullptr) << built.errors;
  EXPECT_EQ(built.graph->num_parameters() - 16 * pairs, 6'624'904);
  EXPECT_THAT(built.Find("inception3a")->output, ElementsAre(256, 28, 28));
  EXPECT_THAT(built.Find("inception4e")->output, ElementsAre(832, 14, 14));
  EXPECT_THAT(built.Find("inception5b")->output, ElementsAre(1024, 7, 7));
}

TEST(Googlenet, WithLocalResponseNormIsThatOfCaffe) {
  // bvlc_googlenet, the paper's with biases; local response normalization has no parameters.
  EXPECT_EQ(Parameters(kImageNet, "googlenet { classes: 1000 }"), 6'998'552);
}

TEST(Resnet, HasTheCountsOfTorchvision) {
  EXPECT_EQ(Parameters(kImageNet, "resnet { classes: 1000 depth: 18 }"), 11'689'512);
  EXPECT_EQ(Parameters(kImageNet, "resnet { classes: 1000 depth: 34 }"), 21'797'672);
  EXPECT_EQ(Parameters(kImageNet, "resnet { classes: 1000 depth: 50 }"), 25'557'032);
}

TEST(Resnet, HasTheCountsOfThePaperForCifar) {
  // The paper's table 6: 0.27, 0.46, 0.66, 0.85 and 1.7 million. With n blocks in each of the three stages:
  // stem 3*16*9 + 2*16; a block of c channels 2 (9 c c + 2 c), the first of a stage 9 c c / 2 + 9 c c + 4 c and the
  // projection c c / 2 + 2 c; 64*10 + 10.
  EXPECT_EQ(Parameters(kCifar, "resnet { classes: 10 depth: 20 }"), 272'474);
  EXPECT_EQ(Parameters(kCifar, "resnet { classes: 10 depth: 32 }"), 466'906);
  EXPECT_EQ(Parameters(kCifar, "resnet { classes: 10 depth: 44 }"), 661'338);
  EXPECT_EQ(Parameters(kCifar, "resnet { classes: 10 depth: 56 }"), 855'770);
  EXPECT_EQ(Parameters(kCifar, "resnet { classes: 10 depth: 110 }"), 1'730'714);
  // He et al. 2016, table 4: 1.7 million for the pre-activation ResNet-164 with bottlenecks; without a norm on its
  // three projections.
  EXPECT_EQ(Parameters(kCifar, "resnet { classes: 10 depth: 164 }"), 1'703'258);
}

TEST(Resnet, ChoosesItsStemByTheImage) {
  const Built small = Network(kCifar, "resnet { classes: 10 depth: 18 }");
  ASSERT_NE(small.graph, nullptr) << small.errors;
  EXPECT_THAT(small.Find("conv1")->output, ElementsAre(64, 32, 32));
  EXPECT_THAT(small.Find("stage4.block2")->output, ElementsAre(512, 4, 4));
  // 7x7 to 3x3 in the stem, and 10 classes for 1000.
  EXPECT_EQ(small.graph->num_parameters(), 11'689'512 - 3 * 64 * 40 - 513 * 990);
  const Built large = Network(kCifar, "resnet { classes: 10 depth: 18 stem: STEM_IMAGENET }");
  ASSERT_NE(large.graph, nullptr) << large.errors;
  EXPECT_THAT(large.Find("pool1")->output, ElementsAre(64, 8, 8));
}

TEST(Resnet, FixupHasScalarsAndAZeroClassifier) {
  const Built built = Network(kCifar, "resnet { classes: 10 depth: 110 fixup: true }");
  ASSERT_NE(built.graph, nullptr) << built.errors;
  // Without the norms: two numbers for each channel of stem, body and the two projections. With the scalars: five of
  // each of the 54 blocks, one behind the stem and one before the classifier.
  const int64_t norms = 2 * 16 + 2 * 2 * 18 * (16 + 32 + 64) + 2 * (32 + 64);
  EXPECT_EQ(built.graph->num_parameters(), 1'730'714 - norms + 54 * 5 + 2);
  EXPECT_TRUE(built.Find("logits")->parameters[0].initializer.has_zeros());
  EXPECT_NEAR(built.Find("stage2.block3.conv1")->parameters[0].initializer.xavier().gain(), std::sqrt(2.0 / 54), 1e-12);
}

TEST(Resnet, DropoutStandsBetweenTheConvolutionsOfEachBlock) {
  const Built built = Network(kCifar, "resnet { classes: 10 depth: 20 dropout: 0.25 }");
  ASSERT_NE(built.graph, nullptr) << built.errors;
  int dropouts = 0;
  for (const v1::Layer& layer : built.network.layers()) {
    if (!layer.has_dropout()) continue;
    ++dropouts;
    EXPECT_EQ(layer.dropout().rate(), 0.25);
  }
  EXPECT_EQ(dropouts, 9);
  EXPECT_EQ(built.graph->num_parameters(), 272'474);
}

TEST(Resnet, FixupGoesWithPreActivation) {
  const Built built = Network(kCifar, "resnet { classes: 10 depth: 164 fixup: true }");
  ASSERT_NE(built.graph, nullptr) << built.errors;
  // Without the norms: those of three convolutions' inputs in each block and the last one. With the scalars: a bias
  // before each activation and each convolution of the 54 blocks, a scale, one before the last activation, one before
  // the classifier.
  int64_t norms = 2 * 256;
  for (const int64_t width : {16, 32, 64}) norms += 18 * 2 * (4 * width + width + width);
  norms += 2 * ((16 - 64) + (64 - 128) + (128 - 256));  // Each stage's first block reads what is before the stage.
  EXPECT_EQ(built.graph->num_parameters(), 1'703'258 - norms + 54 * 7 + 2);
  EXPECT_NEAR(built.Find("stage2.block3.conv1")->parameters[0].initializer.xavier().gain(),
              std::sqrt(2.0) * std::pow(54, -0.25), 1e-12);
  EXPECT_TRUE(built.Find("stage2.block3.conv3")->parameters[0].initializer.has_zeros());
  EXPECT_TRUE(built.Find("logits")->parameters[0].initializer.has_zeros());
}

TEST(Resnet, SurvivalFallsLinearly) {
  const Built built = Network(kCifar, "resnet { classes: 10 depth: 20 final_survival: 0.5 }");
  ASSERT_NE(built.graph, nullptr) << built.errors;
  std::map<std::string, double> survival;
  for (const v1::Layer& layer : built.network.layers()) {
    if (layer.has_stochastic_depth()) survival[layer.name()] = layer.stochastic_depth().survival();
  }
  ASSERT_EQ(survival.size(), 9);
  EXPECT_NEAR(survival["stage1.block1.depth"], 1 - 0.5 / 9, 1e-12);
  EXPECT_NEAR(survival["stage2.block2.depth"], 1 - 0.5 * 5 / 9, 1e-12);
  EXPECT_NEAR(survival["stage3.block3.depth"], 0.5, 1e-12);
  const Built constant =
      Network(kCifar, "resnet { classes: 10 depth: 20 final_survival: 0.5 constant_survival: true }");
  EXPECT_THAT(constant.network.DebugString(), HasSubstr("survival: 0.5"));
}

TEST(WideResnet, HasTheCountsOfThePaper) {
  // Table 5 of the paper: 36.5, 11.0, 8.9 and 17.2 million.
  EXPECT_EQ(Parameters(kCifar, "wide_resnet { classes: 10 }"), 36'479'194);
  EXPECT_EQ(Parameters(kCifar, "wide_resnet { classes: 10 depth: 16 widen: 8 dropout: 0.3 }"), 10'961'370);
  EXPECT_EQ(Parameters(kCifar, "wide_resnet { classes: 10 depth: 40 widen: 4 }"), 8'949'210);
  EXPECT_EQ(Parameters(kCifar, "wide_resnet { classes: 10 depth: 22 widen: 8 }"), 17'158'106);
}

TEST(WideResnet, FixupReplacesTheNorms) {
  const Built built = Network(kCifar, "wide_resnet { classes: 10 depth: 16 widen: 8 fixup: true }");
  ASSERT_NE(built.graph, nullptr) << built.errors;
  for (const Node& node : built.graph->nodes()) EXPECT_NE(node.kind, "batch_norm") << node.name;
  // The norms of six blocks, each of its input and its first convolution, and the last one; five scalars in a block.
  const int64_t norms = 2 * (16 + 3 * 128 + 128 + 3 * 256 + 256 + 3 * 512 + 512);
  EXPECT_EQ(built.graph->num_parameters(), 10'961'370 - norms + 6 * 5 + 2);
  EXPECT_TRUE(built.Find("logits")->parameters[0].initializer.has_zeros());
}

TEST(Densenet, HasTheCountsOfThePaper) {
  // Table 2 of the paper: 1.0, 7.0, 0.8 and 15.3 million.
  EXPECT_EQ(Parameters(kCifar, "densenet { classes: 10 }"), 1'019'722);
  EXPECT_EQ(Parameters(kCifar, "densenet { classes: 10 depth: 100 }"), 6'979'642);
  EXPECT_EQ(Parameters(kCifar, "densenet { classes: 10 depth: 100 bottleneck: true }"), 769'162);
  EXPECT_EQ(Parameters(kCifar, "densenet { classes: 10 depth: 250 growth: 24 bottleneck: true }"), 15'324'406);
}

TEST(Presets, FollowTheirWidth) {
  const Built alexnet = Network("3, 227, 227", "alexnet { classes: 10 width: 24 dense_width: 64 ungrouped: true }");
  ASSERT_NE(alexnet.graph, nullptr) << alexnet.errors;
  EXPECT_EQ(alexnet.Find("conv1")->output[0], 24);
  EXPECT_EQ(alexnet.Find("conv2")->output[0], 64);
  EXPECT_EQ(alexnet.Find("conv4")->output[0], 96);
  EXPECT_EQ(alexnet.Find("conv5")->output[0], 64);
  EXPECT_THAT(alexnet.Find("fc7")->output, ElementsAre(64));
  const Built plain = Network("3, 227, 227", "alexnet { classes: 10 dense_width: 0 }");
  ASSERT_NE(plain.graph, nullptr) << plain.errors;
  EXPECT_EQ(plain.Find("fc7"), nullptr);
  const Built googlenet = Network("3, 64, 64", "googlenet { classes: 10 width: 8 }");
  ASSERT_NE(googlenet.graph, nullptr) << googlenet.errors;
  EXPECT_EQ(googlenet.Find("conv2")->output[0], 24);
  EXPECT_EQ(googlenet.Find("inception4b.reduce5x5")->output[0], 3);
  EXPECT_EQ(googlenet.Find("inception5b")->output[0], 128);
}

TEST(Presets, TakeAnotherActivation) {
  for (const char* preset : {"mlp { classes: 3 activation { gelu {} } }", "lenet { classes: 3 activation { gelu {} } }",
                             "alexnet { classes: 3 activation { gelu {} } batch_norm: true }",
                             "vgg16 { classes: 3 activation { gelu {} } dense_width: 32 }",
                             "googlenet { classes: 3 activation { gelu {} } batch_norm: true }",
                             "resnet { classes: 3 depth: 18 activation { gelu {} } }",
                             "wide_resnet { classes: 3 depth: 10 activation { gelu {} } }",
                             "densenet { classes: 3 depth: 10 activation { gelu {} } }"}) {
    SCOPED_TRACE(preset);
    const Built built = Network("3, 96, 96", preset);
    ASSERT_NE(built.graph, nullptr) << built.errors;
    for (const Node& node : built.graph->nodes()) EXPECT_NE(node.activation_kind, "relu") << node.name;
  }
}

// What starts at zero in a residual block or a classifier is no lack of symmetry breaking.
TEST(Presets, GiveNoWarnings) {
  for (const char* preset :
       {"resnet { classes: 10 depth: 20 fixup: true }", "resnet { classes: 10 depth: 164 zero_last: true }",
        "resnet { classes: 10 depth: 164 fixup: true }", "wide_resnet { classes: 10 depth: 10 widen: 1 }",
        "wide_resnet { classes: 10 depth: 10 widen: 1 fixup: true }", "densenet { classes: 10 depth: 10 }"}) {
    const Built built = Network(kCifar, preset);
    ASSERT_NE(built.graph, nullptr) << built.errors;
    EXPECT_THAT(NetworkWarnings(*built.graph, 8), testing::IsEmpty()) << preset;
  }
}

TEST(Presets, ReportAtThePreset) {
  EXPECT_THAT(Network("3, 32, 32", "alexnet { classes: 3 }").errors,
              HasSubstr("network.preset.alexnet: its layer \"pool2\" max_pool.kernel "));
  EXPECT_THAT(Network("16", "resnet { classes: 3 depth: 20 }").errors,
              HasSubstr("network.preset.resnet: its layer \"conv1\" conv2d "));
}

}  // namespace
}  // namespace traind::core
