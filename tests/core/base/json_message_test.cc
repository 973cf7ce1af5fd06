#include "core/base/json_message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/base/enum_name.h"
#include "traind/v1/checkpoint.pb.h"
#include "traind/v1/job.pb.h"

namespace traind::core {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(EnumNameTest, LeavesTheEnumsNameOut) {
  EXPECT_EQ(EnumName(v1::PRECISION_BF16), "BF16");
  EXPECT_EQ(EnumName(v1::Residual::ORDER_PRE_ACTIVATION), "PRE_ACTIVATION");
  EXPECT_EQ(EnumName(v1::PRECISION_UNSPECIFIED), "UNSPECIFIED");
  EXPECT_EQ(EnumName(static_cast<v1::Precision>(99)), "99");
}

// Values alone, nested in messages of a list, of enums inside messages, in lists, among ones that have kept their
// names.
constexpr char kOld[] = R"({
  "network": {
    "layers": [
      {"name": "c", "conv2d": {"out_channels": 4, "kernel": [3], "padding": {"mode": "SAME"},
                               "weight_init": {"xavier": {"fan": "FAN_OUT", "distribution": "UNIFORM"}}}},
      {"name": "r", "block": {"residual": {"layers": [{"name": "d", "dropout": {"form": "CLASSIC"}}]}},
       "activation": {"gelu": {"form": "TANH"}}}
    ],
    "regularizers": [{"l2": {"strength": 0.1}, "groups": ["WEIGHTS", "BIASES"]}]
  },
  "seed": "18446744073709551615",
  "sampling": "SHUFFLED",
  "precision": "F32",
  "convolutionAlgorithm": "AUTO"
})";

TEST(ParseJsonTest, ReadsEnumValuesOfOlderVersions) {
  v1::JobSpec spec;
  spec.set_batch_size(7);
  const absl::Status status = ParseJson(kOld, spec);
  ASSERT_TRUE(status.ok()) << status;
  const v1::Network& network = spec.network();
  EXPECT_EQ(network.layers(0).conv2d().padding().mode(), v1::Padding::MODE_SAME);
  EXPECT_EQ(network.layers(0).conv2d().weight_init().xavier().fan(), v1::FAN_OUT);
  EXPECT_EQ(network.layers(0).conv2d().weight_init().xavier().distribution(), v1::DISTRIBUTION_UNIFORM);
  EXPECT_EQ(network.layers(1).block().residual().layers(0).dropout().form(), v1::Dropout::FORM_CLASSIC);
  EXPECT_EQ(network.layers(1).activation().gelu().form(), v1::Gelu::FORM_TANH);
  EXPECT_THAT(network.regularizers(0).groups(), ElementsAre(v1::PARAMETER_GROUP_WEIGHTS, v1::PARAMETER_GROUP_BIASES));
  EXPECT_EQ(spec.seed(), 18446744073709551615u);
  EXPECT_EQ(spec.sampling(), v1::SAMPLING_SHUFFLED);
  EXPECT_EQ(spec.precision(), v1::PRECISION_F32);
  EXPECT_EQ(spec.convolution_algorithm(), v1::CONVOLUTION_ALGORITHM_AUTO);
  EXPECT_FALSE(spec.has_batch_size()) << "what was there before";
}

TEST(ParseJsonTest, WhatIsNoMessageStaysAnError) {
  v1::JobSpec spec;
  for (const char* json : {"", "{", "[]", "7", R"({"precision": "F64"})", R"({"precision": "BF16", "unknown": 1})",
                           R"({"network": ["SAME"]})", R"({"precision": {"BF16": 1}})"}) {
    EXPECT_EQ(ParseJson(json, spec).code(), absl::StatusCode::kInvalidArgument) << json;
  }
  EXPECT_THAT(std::string(ParseJson(R"({"precision": "F64"})", spec).message()), HasSubstr("F64"));
}

}  // namespace
}  // namespace traind::core
