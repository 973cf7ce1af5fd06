// What the spec alone shows, and that CreateJob warns of the same in the same words.
#include "gmock/gmock.h"
#include "tests/support/insight_log.h"

namespace traind::core {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// The ids of what the spec alone shows, and that each of them is among the warnings.
std::vector<std::string> Found(const std::string& spec) {
  InsightLog log(spec);
  log.Data(log.Profile());
  std::vector<std::string> ids;
  for (const v1::Event& event : log.events) {
    if (!event.has_finding()) continue;
    ids.push_back(event.finding().id());
    if (!event.finding().warned()) continue;
    EXPECT_THAT(log.warnings, testing::Contains(WarningText(event.finding())));
  }
  return ids;
}

std::string Job(const std::string& layers, const std::string& more = "batch_size: 100") {
  return "network { " + layers + " } data { dataset: 'images' preprocessing { standardize {} } } epochs: 1 " + more;
}

constexpr char kOut[] = "layers { name: 'out' dense { units: 10 } } ";

TEST(SpecRules, OfAHealthyJobNothingIsSaid) { EXPECT_THAT(Found(kHealthyJob), IsEmpty()); }

TEST(SpecRules, WeightsThatStartEqual) {
  EXPECT_THAT(Found(Job(std::string("layers { name: 'a' dense { units: 5 weight_init { zeros {} } } activation { "
                                    "tanh {} } } ") +
                        kOut)),
              ElementsAre("no_symmetry_breaking/a"));
}

TEST(SpecRules, XavierUnderRelu) {
  EXPECT_THAT(Found(Job(std::string("layers { name: 'a' dense { units: 5 weight_init { xavier {} } } activation { "
                                    "relu {} } } ") +
                        kOut)),
              ElementsAre("xavier_under_relu/a"));
  EXPECT_THAT(Found(Job(std::string("layers { name: 'a' dense { units: 5 weight_init { xavier {} } } activation { "
                                    "tanh {} } } ") +
                        kOut)),
              IsEmpty());
}

TEST(SpecRules, OutputsThatAreNoLogits) {
  EXPECT_THAT(Found(Job(std::string(kOut) + "layers { name: 'p' softmax {} }")),
              ElementsAre("softmax_before_cross_entropy/p"));
  EXPECT_THAT(Found(Job("layers { name: 'out' dense { units: 10 } activation { sigmoid {} } }")),
              ElementsAre("softmax_before_cross_entropy/out"));
  EXPECT_THAT(Found(Job("layers { name: 'out' dense { units: 10 } activation { relu {} } }")),
              ElementsAre("softmax_before_cross_entropy/out"));
}

TEST(SpecRules, MoreOutputsThanClasses) {
  EXPECT_THAT(Found(Job("layers { name: 'out' dense { units: 12 } }")), ElementsAre("outputs_and_classes/out"));
}

TEST(SpecRules, TwoLinearLayers) {
  EXPECT_THAT(Found(Job(std::string("layers { name: 'a' dense { units: 1000 } } ") + kOut)),
              ElementsAre("two_linear_layers/out"));
}

TEST(SpecRules, BatchNormOverFewExamples) {
  const std::string layers = std::string(
                                 "layers { name: 'a' dense { units: 50 } } layers { name: 'n' batch_norm {} "
                                 "activation { relu {} } } ") +
                             kOut;
  EXPECT_THAT(Found(Job(layers, "batch_size: 4")), ElementsAre("batch_norm_small_batch/n"));
  EXPECT_THAT(Found(Job(layers, "batch_size: 8")), IsEmpty());
}

TEST(SpecRules, DropoutOfMoreThanHalfOrBeforeANormalization) {
  const std::string before = "layers { name: 'a' dense { units: 50 } activation { relu {} } } ";
  EXPECT_THAT(Found(Job(before + "layers { name: 'd' dropout { rate: 0.9 } } " + kOut)),
              ElementsAre("dropout_place/d"));
  EXPECT_THAT(Found(Job(before + "layers { name: 'd' dropout {} } layers { name: 'n' batch_norm {} } " + kOut)),
              ElementsAre("dropout_place/d"));
  EXPECT_THAT(Found(Job(before + "layers { name: 'd' dropout {} } " + kOut)), IsEmpty());
}

TEST(SpecRules, BytesThatAreAllPositive) {
  EXPECT_THAT(Found(std::string("network { ") + kOut + "} data { dataset: 'images' } epochs: 1 batch_size: 100"),
              ElementsAre("data_not_centered"));
}

TEST(SpecRules, WhatIsSkippedIsNotWarnedOf) {
  const InsightLog log(std::string("network { ") + kOut +
                       "} data { dataset: 'images' } epochs: 1 "
                       "insight { skip: 'data_not_centered' }");
  EXPECT_THAT(log.warnings, IsEmpty());
}

}  // namespace
}  // namespace traind::core
