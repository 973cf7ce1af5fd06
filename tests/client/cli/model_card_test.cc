#include "client/cli/model_card.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/text_proto.h"

namespace traind::client {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

ModelCardParts Parts() {
  ModelCardParts parts;
  parts.job = FromText<v1::Job>(R"pb(
    name: "jobs/cnn"
    uid: "u-1"
    display_name: "# Four <b>layers</b>"
    state: JOB_STATE_SUCCEEDED
    labels { key: "team" value: "vi\"sion" }
    progress { step: 20 total_steps: 20 }
    resolved_spec {
      data { dataset: "datasets/toy" train_split: "train" evaluation_split: "test" }
      batch_size: 16
    }
    trained_on {
      dataset: "datasets/toy"
      uid: "d-1"
      example_shape: [ 1, 8, 8 ]
      num_classes: 2
      class_names: [ "cat", "dog_1" ]
      splits { name: "train" num_examples: 64 checksum: "crc32:00000001" }
      splits { name: "test" num_examples: 32 checksum: "crc32:00000002" }
    })pb");
  parts.network = FromText<v1::NetworkDescription>(
      "parameters: 260 layers { name: 'fc' kind: 'dense' output_shape: [4] num_parameters: 260 }");
  parts.checkpoints = {FromText<v1::Checkpoint>("step: 10 best: true evaluation_loss: 0.5 evaluation_accuracy: 0.75"),
                       FromText<v1::Checkpoint>("step: 20 evaluation_loss: 0.6 evaluation_accuracy: 0.7")};
  parts.server_version = "0.3.0";
  return parts;
}

TEST(ModelCard, SaysWhatTheRecordSays) {
  const std::string card = ModelCard(Parts());
  EXPECT_THAT(card, StartsWith("---\nlibrary_name: traind\ndatasets:\n- \"toy\"\nmetrics:\n- accuracy\ntags:\n"
                               "- \"team=vi\\\"sion\"\n---\n"));
  EXPECT_THAT(card, HasSubstr("| test | 32 | crc32:00000002 |"));
  EXPECT_THAT(card,
              HasSubstr("- accuracy 75.0 %, loss 0.5000: checkpoint 10 (the best), on the split test (32 examples)"));
  EXPECT_THAT(card, HasSubstr("loss 0.6000: checkpoint 20, on"));
  EXPECT_THAT(card, HasSubstr("2 classes: cat, dog\\_1."));
  EXPECT_THAT(card, HasSubstr("batch_size: 16"));
}

TEST(ModelCard, TextOfOthersIsNoMarkup) {
  const std::string card = ModelCard(Parts());
  EXPECT_THAT(card, HasSubstr("# \\# Four &lt;b>layers&lt;/b>\n"));
  EXPECT_THAT(card, Not(HasSubstr("<b>")));
}

TEST(ModelCard, WhatIsNotKnownIsNotInvented) {
  ModelCardParts parts = Parts();
  parts.job.clear_trained_on();
  parts.checkpoints = {FromText<v1::Checkpoint>("step: 20")};
  const std::string card = ModelCard(parts);
  EXPECT_THAT(card, Not(HasSubstr("datasets:")));
  EXPECT_THAT(card, Not(HasSubstr("metrics:")));
  EXPECT_THAT(card, HasSubstr("The record does not say on which data"));
  EXPECT_THAT(card, HasSubstr("No checkpoint was evaluated."));
}

}  // namespace
}  // namespace traind::client
