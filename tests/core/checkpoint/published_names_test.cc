// Names of torchvision's and timm's tensors; whole files of theirs are in tests/pypi/published_weights.py.
#include "core/checkpoint/published_names.h"

#include <string>
#include <utility>
#include <vector>

#include "core/checkpoint/match_weights.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/temporary_folder.h"

namespace traind::core {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

struct PublishedCase {
  v1::InitialWeights::Names names;
  std::string network;  // A tensor by which it is known.
  std::vector<std::pair<std::string, std::string>> tensors;
};

// As state_dict() has them.
TEST(PublishedNames, AreThoseOfTheLibraries) {
  constexpr auto kTorchvision = v1::InitialWeights::NAMES_TORCHVISION, kTimm = v1::InitialWeights::NAMES_TIMM;
  const PublishedCase cases[] = {
      {kTorchvision,
       "stage1.block1.conv1.weight",
       {{"conv1.weight", "conv1.weight"},
        {"norm1.running_var", "bn1.running_var"},
        {"stage4.block3.conv3.weight", "layer4.2.conv3.weight"},
        {"stage2.block1.shortcut.weight", "layer2.0.downsample.0.weight"},
        {"stage2.block1.shortcut_norm.bias", "layer2.0.downsample.1.bias"},
        {"stage1.block10.norm2.bias", "layer1.9.bn2.bias"},
        {"logits.bias", "fc.bias"}}},
      {kTorchvision,
       "dense1.conv1.weight",
       {{"conv1.weight", "features.conv0.weight"},
        {"norm1.weight", "features.norm0.weight"},
        {"dense2.norm12.weight", "features.denseblock2.denselayer12.norm1.weight"},
        {"dense2.reduce12.weight", "features.denseblock2.denselayer12.conv1.weight"},
        {"dense2.reduce_norm12.running_mean", "features.denseblock2.denselayer12.norm2.running_mean"},
        {"dense2.conv12.weight", "features.denseblock2.denselayer12.conv2.weight"},
        {"transition3.norm.bias", "features.transition3.norm.bias"},
        {"transition3.conv.weight", "features.transition3.conv.weight"},
        {"norm.weight", "features.norm5.weight"},
        {"logits.weight", "classifier.weight"}}},
      {kTorchvision,
       "conv1_1.weight",
       {{"conv1_1.weight", "features.0.weight"},
        {"conv2_1.weight", "features.5.weight"},
        {"conv5_3.bias", "features.28.bias"},
        {"fc6.weight", "classifier.0.weight"},
        {"fc8.weight", "classifier.6.weight"}}},
      {kTimm, "conv1_1.weight", {{"fc6.weight", "pre_logits.fc1.weight"}, {"fc8.bias", "head.fc.bias"}}},
  };
  for (const PublishedCase& one : cases) {
    const PublishedNames names({&one.network, 1}, one.names);
    EXPECT_TRUE(names.known());
    for (const auto& [ours, theirs] : one.tensors) EXPECT_EQ(names.Of(ours), theirs);
    EXPECT_EQ(names.Of("head.weight"), std::nullopt);
  }
  const std::vector<std::string> vgg_bn = {"conv1_1.weight", "norm1_1.weight"};
  const PublishedNames names(vgg_bn, kTorchvision);
  EXPECT_EQ(names.Of("conv5_3.bias"), "features.40.bias");
  EXPECT_EQ(names.Of("norm5_3.running_mean"), "features.41.running_mean");
  const std::vector<std::string> alexnet = {"conv1.weight", "conv5.weight"};
  EXPECT_EQ(PublishedNames(alexnet, kTorchvision).Of("fc7.weight"), "classifier.4.weight");
  EXPECT_FALSE(PublishedNames(alexnet, kTimm).known());
  EXPECT_FALSE(PublishedNames(alexnet, v1::InitialWeights::NAMES_NETWORK).known());
}

// conv1.weight is a name of both.
TEST(PublishedNames, ThoseThatFitMostAreFoundOut) {
  const TemporaryFolder folder;
  const auto file = [&](const std::string& name, const std::vector<std::pair<std::string, Shape>>& tensors) {
    std::vector<Tensor> sources;
    for (const auto& [tensor, shape] : tensors) sources.push_back({tensor, shape, {1, 2, 3, 4}});
    EXPECT_TRUE(WriteSafetensors(folder / name, SourcesOf(sources)).ok());
    return *Safetensors::Open(folder / name);
  };
  const std::vector<NeededTensor> resnet = {
      {"conv1.weight", {4}}, {"stage1.block1.conv1.weight", {4}}, {"logits.weight", {4}}};
  const auto published = file("published", {{"conv1.weight", {4}}, {"layer1.0.conv1.weight", {4}}, {"fc.weight", {4}}});
  const WeightsMatch match = MatchWeights(published, resnet);
  EXPECT_EQ(match.names, v1::InitialWeights::NAMES_TORCHVISION);
  EXPECT_TRUE(match.complete());
  EXPECT_THAT(match.ToString(), HasSubstr("3 tensors loaded by the names of TORCHVISION"));
  const auto own = file("own", {{"conv1.weight", {4}}, {"stage1.block1.conv1.weight", {4}}, {"logits.weight", {4}}});
  EXPECT_EQ(MatchWeights(own, resnet).names, v1::InitialWeights::NAMES_NETWORK);
  v1::InitialWeights wanted;
  wanted.set_names(v1::InitialWeights::NAMES_NETWORK);
  EXPECT_EQ(MatchWeights(published, resnet, wanted).fitting, 1);

  // timm stores dense layers as convolutions.
  const std::vector<NeededTensor> vgg = {{"conv1_1.weight", {4}}, {"fc6.weight", {1, 4}}, {"fc8.weight", {2, 2}}};
  const auto timm =
      file("timm", {{"features.0.weight", {4}}, {"pre_logits.fc1.weight", {1, 1, 2, 2}}, {"head.fc.weight", {2, 2}}});
  const WeightsMatch of_timm = MatchWeights(timm, vgg);
  EXPECT_EQ(of_timm.names, v1::InitialWeights::NAMES_TIMM);
  EXPECT_EQ(of_timm.fitting, 3);

  wanted.set_names(v1::InitialWeights::NAMES_TORCHVISION);
  const std::vector<NeededTensor> mlp = {{"fc1.weight", {4}}};
  EXPECT_THAT(MatchWeights(published, mlp, wanted).Problems(wanted),
              ElementsAre(HasSubstr("this network is none of them")));
}

}  // namespace
}  // namespace traind::core
