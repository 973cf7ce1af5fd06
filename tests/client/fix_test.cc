#include "client/fix.h"

#include <gmock/gmock.h>

#include "tests/support/text_proto.h"

namespace traind::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

constexpr char kSpec[] = R"(
  network {
    layers { name: "hidden" dense { units: 100 weight_init { normal { std: 0.01 } } } activation { tanh {} } }
    layers { name: "logits" dense { units: 10 } }
  }
  data { dataset: "digits" preprocessing { scale {} } max_train_examples: 500 }
  optimizer { sgd { momentum: 0.9 } learning_rate: 5 clip_norm: 1 }
  steps: 400)";

std::vector<std::string> Told(const std::vector<FieldChange>& changes) {
  std::vector<std::string> told;
  for (const FieldChange& change : changes) {
    told.push_back(change.path + ": " + change.before + " -> " + change.after);
  }
  return told;
}

// The changes that a fix makes to kSpec.
std::vector<std::string> Fixed(const std::string& fix) {
  const auto spec = FromText<v1::JobSpec>(kSpec);
  const absl::StatusOr<v1::JobSpec> fixed = ApplyFix(spec, FromText<v1::Fix>(fix));
  EXPECT_TRUE(fixed.ok()) << fixed.status();
  return fixed.ok() ? Told(ChangesBetween(spec, *fixed)) : std::vector<std::string>();
}

TEST(FixTest, AScalarIsReplacedAndItsNeighboursStay) {
  EXPECT_THAT(
      Fixed("mask { paths: 'optimizer.learning_rate' } patch { optimizer { learning_rate: 0.5 clip_norm: 9 } }"),
      ElementsAre("optimizer.learning_rate: 5 -> 0.5"));
}

TEST(FixTest, AListIsReplacedAsAWhole) {
  EXPECT_THAT(Fixed("mask { paths: 'data.preprocessing' } patch { data { preprocessing { standardize {} } } }"),
              ElementsAre("data.preprocessing[0]: scale { } -> standardize { }"));
  EXPECT_THAT(Fixed("mask { paths: 'data.preprocessing' } "
                    "patch { data { preprocessing { scale {} } preprocessing { standardize {} } } }"),
              ElementsAre("data.preprocessing: [scale { }] -> [scale { }, standardize { }]"));
}

TEST(FixTest, WhatThePatchDoesNotHaveIsCleared) {
  EXPECT_THAT(Fixed("mask { paths: 'optimizer.clip_norm' paths: 'data.preprocessing' } patch {}"),
              ElementsAre("data.preprocessing: [scale { }] -> ", "optimizer.clip_norm: 1 -> "));
}

TEST(FixTest, AMessageOnTheWayIsMade) {
  // What is not there to be cleared is no change.
  EXPECT_THAT(Fixed("mask { paths: 'optimizer.learning_rate' paths: 'optimizer.batch_scaling' } "
                    "patch { optimizer { learning_rate: 0.5 } }"),
              ::testing::SizeIs(1));
  EXPECT_THAT(Fixed("mask { paths: 'early_stopping.patience' } patch { early_stopping { patience: 3 } }"),
              ElementsAre("early_stopping:  -> { patience: 3 }"));
}

TEST(FixTest, AMemberOfAOneofGivesWay) {
  EXPECT_THAT(Fixed("mask { paths: 'epochs' } patch { epochs: 3 }"), ElementsAre("duration: steps: 400 -> epochs: 3"));
  EXPECT_THAT(
      Fixed("mask { paths: 'optimizer.adam' paths: 'optimizer.learning_rate' } "
            "patch { optimizer { adam { beta1: 0.8 } learning_rate: 0.01 } }"),
      ElementsAre("optimizer: sgd { momentum: 0.9 } -> adam { beta1: 0.8 }", "optimizer.learning_rate: 5 -> 0.01"));
}

TEST(FixTest, OfAWholeNetworkTheChangesAreToldByLayer) {
  EXPECT_THAT(Fixed(R"(mask { paths: 'network' } patch { network {
    layers { name: "hidden" dense { units: 100 weight_init { xavier {} } } activation { leaky_relu {} } }
    layers { name: "logits" dense { units: 10 bias: false } } } })"),
              UnorderedElementsAre("network.layers[hidden].activation: tanh { } -> leaky_relu { }",
                                   "network.layers[hidden].dense.weight_init: normal { std: 0.01 } -> xavier { }",
                                   "network.layers[logits].dense.bias:  -> false"));
}

TEST(FixTest, OfLayersThatComeAndGoOnlyTheseAreTold) {
  EXPECT_THAT(Fixed(R"(mask { paths: 'network' } patch { network {
    layers { name: "hidden" dense { units: 100 weight_init { normal { std: 0.01 } } } }
    layers { name: "norm" batch_norm {} activation { tanh {} } }
    layers { name: "logits" dense { units: 10 } } } })"),
              ElementsAre("network.layers[hidden].activation: { tanh { } } -> ",
                          "network.layers[norm]:  -> { name: \"norm\" activation { tanh { } } batch_norm { } }"));
  EXPECT_THAT(Fixed("mask { paths: 'network' } patch { network { layers { name: 'logits' dense { units: 10 } } } }"),
              ElementsAre(testing::StartsWith("network.layers[hidden]: { name: \"hidden\" activation { tanh { } }")));
  EXPECT_THAT(Fixed(R"(mask { paths: 'network' } patch { network {
    layers { name: "logits" dense { units: 10 } }
    layers { name: "hidden" dense { units: 100 weight_init { normal { std: 0.01 } } } activation { tanh {} } } } })"),
              ElementsAre("network.layers: hidden, logits -> logits, hidden"));
}

TEST(FixTest, NothingChangedIsNothingTold) {
  const auto spec = FromText<v1::JobSpec>(kSpec);
  EXPECT_TRUE(ChangesBetween(spec, spec).empty());
}

TEST(FixTest, WordsAloneAreRefusedWithTheWords) {
  const absl::Status status = ApplyFix({}, FromText<v1::Fix>("words: 'get more examples'")).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("get more examples"));
  EXPECT_EQ(ApplyFix({}, {}).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST(FixTest, AMaskOfAnotherServerIsNamed) {
  for (const auto& [path, what] : {std::pair("optimizer.learning_rat", "did you mean learning_rate?"),
                                   {"", "has no field \"\""},
                                   {"optimizer.learning_rate.x", "\"learning_rate\" is no message"},
                                   {"data.preprocessing.scale", "\"preprocessing\" is no message"}}) {
    v1::Fix fix;
    fix.mutable_mask()->add_paths(path);
    const absl::Status status = ApplyFix({}, fix).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << path;
    EXPECT_THAT(std::string(status.message()), HasSubstr("fix.mask: " + std::string(path)));
    EXPECT_THAT(std::string(status.message()), HasSubstr(what));
  }
}

TEST(FixTest, KnowsWhatACheckpointCannotGoOnWith) {
  const auto at_start = [](const std::string& mask) {
    return ReadAtStart(FromText<google::protobuf::FieldMask>(mask)).value_or("");
  };
  EXPECT_EQ(at_start("paths: 'optimizer.learning_rate' paths: 'early_stopping' paths: 'data.augmentation'"), "");
  EXPECT_EQ(at_start("paths: 'optimizer.learning_rate' paths: 'network'"), "network");
  EXPECT_EQ(at_start("paths: 'data.preprocessing'"), "data.preprocessing");
  EXPECT_EQ(at_start("paths: 'data'"), "data");
  EXPECT_EQ(at_start("paths: 'stepsize'"), "stepsize") << "what is not known begins anew";
}

}  // namespace
}  // namespace traind::client
