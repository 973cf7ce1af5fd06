#include "core/checkpoint/match_weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/temporary_folder.h"
#include "tests/support/text_proto.h"

namespace traind::core {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A model of three classes.
class MatchWeightsTest : public ::testing::Test {
 protected:
  MatchWeightsTest() {
    const std::vector<Tensor> tensors = {{"conv.weight", {2, 2}, {1, 2, 3, 4}},
                                         {"fc.weight", {3, 2}, std::vector<float>(6)},
                                         {"fc.bias", {3}, {0, 0, 0}}};
    EXPECT_TRUE(WriteSafetensors(path_, SourcesOf(tensors)).ok());
    file_.emplace(*Safetensors::Open(path_));
  }

  TemporaryFolder folder_;
  const std::string path_ = folder_ / "m.safetensors";
  std::optional<Safetensors> file_;
  const std::vector<NeededTensor> five_classes_ = {{"conv.weight", {2, 2}}, {"fc.weight", {5, 2}}, {"fc.bias", {5}}};
};

TEST_F(MatchWeightsTest, AnotherShapeIsAProblemUnlessItIsToBeSkipped) {
  const WeightsMatch match = MatchWeights(*file_, five_classes_);
  EXPECT_THAT(match.Problems(), ElementsAre("fc.weight: has shape [3, 2], the network needs [5, 2]",
                                            "fc.bias: has shape [3], the network needs [5]"));
  // allow_missing is about what is not there at all.
  EXPECT_EQ(match.Problems(FromText<v1::InitialWeights>("allow_missing: true")).size(), 2u);
  EXPECT_THAT(match.Problems(FromText<v1::InitialWeights>("on_mismatch: MISMATCH_SKIP")), IsEmpty());
  EXPECT_FALSE(match.complete());
  EXPECT_EQ(match.ToString(),
            "1 tensor loaded; of another shape, and so initialized: fc.weight: has shape [3, 2], the network needs "
            "[5, 2], fc.bias: has shape [3], the network needs [5]");
  ASSERT_EQ(match.sources.size(), 3u);
  EXPECT_EQ(match.sources[0], file_->Find("conv.weight"));
  EXPECT_EQ(match.sources[1], nullptr);
}

TEST_F(MatchWeightsTest, SomethingMustFit) {
  const std::vector<NeededTensor> other = {{"fc.weight", {5, 2}}, {"fc.bias", {5}}, {"conv.weight", {7, 2}}};
  const auto wanted = FromText<v1::InitialWeights>("on_mismatch: MISMATCH_SKIP");
  EXPECT_THAT(MatchWeights(*file_, other, wanted).Problems(wanted),
              ElementsAre(HasSubstr("none of its tensors fits the network: fc.weight: has shape")));
}

TEST_F(MatchWeightsTest, RulesSayWhichNameIsWhich) {
  const std::vector<NeededTensor> network = {{"stem.weight", {2, 2}}, {"head.weight", {3, 2}}, {"head.bias", {3}}};
  const auto wanted = FromText<v1::InitialWeights>(R"pb(rules { to: "head.*" from: "fc.*" }
                                                        rules { to: "stem.*" from: "conv.*" })pb");
  const WeightsMatch match = MatchWeights(*file_, network, wanted);
  EXPECT_THAT(match.Problems(wanted), IsEmpty());
  EXPECT_TRUE(match.complete());
  EXPECT_EQ(match.fitting, 3);
  EXPECT_EQ(match.sources[1], file_->Find("fc.weight"));
  EXPECT_EQ(match.sources[2], file_->Find("fc.bias"));
  // Without them nothing has its name.
  EXPECT_EQ(MatchWeights(*file_, network).Problems().size(), 6u);
}

TEST_F(MatchWeightsTest, ARuleSkipsWhatTheModelHas) {
  const auto wanted = FromText<v1::InitialWeights>(R"pb(rules { to: "fc.*" skip: true })pb");
  const WeightsMatch match = MatchWeights(*file_, five_classes_, wanted);
  EXPECT_THAT(match.Problems(wanted), IsEmpty());
  EXPECT_TRUE(match.complete());
  EXPECT_EQ(match.ToString(), "1 tensor loaded; initialized, as a rule says: fc.weight, fc.bias");
}

TEST_F(MatchWeightsTest, ARuleThatDecidesNothingIsTold) {
  const auto wanted = FromText<v1::InitialWeights>(R"pb(rules { to: "fc.*" skip: true }
                                                        rules { to: "fc.bias" from: "conv.weight" }
                                                        rules { to: "haed.*" skip: true })pb");
  EXPECT_THAT(MatchWeights(*file_, five_classes_, wanted).idle_rules, ElementsAre(1, 2));
}

TEST_F(MatchWeightsTest, WhatARuleNamesAndTheModelLacksIsMissing) {
  const auto wanted = FromText<v1::InitialWeights>(R"pb(rules { to: "conv.*" from: "backbone.*" })pb");
  const std::vector<NeededTensor> network = {{"conv.weight", {2, 2}}};
  EXPECT_THAT(
      MatchWeights(*file_, network, wanted).Problems(wanted),
      ElementsAre("conv.weight (from backbone.weight): is missing", "conv.weight: nothing in the network takes it",
                  "fc.weight: nothing in the network takes it", "fc.bias: nothing in the network takes it"));
}

}  // namespace
}  // namespace traind::core
