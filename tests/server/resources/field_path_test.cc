#include "server/resources/field_path.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/text_proto.h"
#include "traind/v1/job.pb.h"

namespace traind::server {
namespace {

using ::testing::HasSubstr;

constexpr char kJob[] =
    R"(network { layers { name: "fc1" dense { units: 8 } } layers { name: "out.2" dense { units: 3 } } }
  optimizer { sgd { momentum: 0.5 } })";

std::string Set(const std::string& path, const std::string& value, const std::string& job = kJob) {
  auto spec = FromText<v1::JobSpec>(job);
  const v1::JobSpec before = spec;
  const absl::Status status = SetFieldAt(spec, path, value);
  if (status.ok()) return spec.ShortDebugString();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_EQ(spec.ShortDebugString(), before.ShortDebugString()) << "a fault changes nothing";
  return std::string(status.message());
}

TEST(FieldPath, SetsFieldsElementsAndMessages) {
  const auto same = [](const std::string& text) { return FromText<v1::JobSpec>(text).ShortDebugString(); };
  EXPECT_EQ(Set("optimizer.learning_rate", "1e-05", ""), same("optimizer { learning_rate: 1e-05 }"));
  EXPECT_THAT(Set("network.layers[1].dense.units", "64"), HasSubstr("units: 64"));
  EXPECT_EQ(Set("network.layers[fc1].dense.units", "64"), Set("network.layers[0].dense.units", "64"));
  EXPECT_EQ(Set("network.layers[out.2].dense.units", "64"), Set("network.layers[1].dense.units", "64"));
  EXPECT_EQ(Set("network.layers[\"fc1\"].dense.units", "64"), Set("network.layers[0].dense.units", "64"));
  EXPECT_EQ(Set("data.train_split", "big one", ""), same("data { train_split: \"big one\" }"));
  EXPECT_EQ(Set("max_duration", "1h30m", ""), same("max_duration { seconds: 5400 }"));
  EXPECT_EQ(Set("precision", "BF16", ""), same("precision: PRECISION_BF16"));
  EXPECT_EQ(Set("precision", "PRECISION_BF16", ""), Set("precision", "BF16", ""));
  EXPECT_EQ(Set("early_stopping", "metric: TRAIN_LOSS patience: 2", ""),
            same("early_stopping { metric: METRIC_TRAIN_LOSS patience: 2 }"));
  EXPECT_EQ(Set("early_stopping", "{ metric: TRAIN_LOSS }", ""), same("early_stopping { metric: METRIC_TRAIN_LOSS }"));
  EXPECT_EQ(Set("epochs", "3", "steps: 5"), same("epochs: 3")) << "the other member of the oneof gives way";
  EXPECT_EQ(Set("optimizer", "adam { beta1: 0.8 } learning_rate: 0.5"),
            Set("optimizer", "{ adam { beta1: 0.8 } learning_rate: 0.5 }"));
  EXPECT_EQ(Set("epochs", "", "epochs: 3"), "") << "empty clears";
  EXPECT_EQ(Set("data.preprocessing[0]", "standardize {}", ""), same("data { preprocessing { standardize {} } }"));
}

TEST(FieldPath, SaysWhereThePathIsWrongAndWhatIsKnown) {
  EXPECT_THAT(Set("optimizer.learning_rat", "1"), HasSubstr("optimizer has no field \"learning_rat\"; did you mean "
                                                            "learning_rate?"));
  EXPECT_THAT(Set("network.layers[fc2].dense.units", "1"), HasSubstr("none with the name \"fc2\"; did you mean fc1?"));
  EXPECT_THAT(Set("network.layers[7].dense.units", "1"), HasSubstr("network.layers has 2 elements, counted from 0"));
  EXPECT_THAT(Set("network.layers.dense", "1"), HasSubstr("choose one by index"));
  EXPECT_THAT(Set("batch_size[0]", "1"), HasSubstr("batch_size is no list"));
  EXPECT_THAT(Set("batch_size.x", "1"), HasSubstr("batch_size has no fields of its own"));
  EXPECT_THAT(Set("labels.a", "1"), HasSubstr("labels is a map"));
  for (const char* path : {"", ".", "a.", "network.layers[", "network.layers[]", "network..layers", "]"}) {
    EXPECT_NE(Set(path, "1"), "") << path;
  }
}

TEST(FieldPath, SaysWhatIsWrongWithTheValueAndThatThePathIsNot) {
  auto spec = FromText<v1::JobSpec>(kJob);
  bool in_path = true;
  const absl::Status status = SetFieldAt(spec, "batch_size", "many", &in_path);
  EXPECT_FALSE(in_path);
  EXPECT_THAT(std::string(status.message()), HasSubstr("batch_size: \"many\" cannot be read"));
  EXPECT_TRUE(absl::IsInvalidArgument(SetFieldAt(spec, "nowhere", "1", &in_path)));
  EXPECT_TRUE(in_path);
  EXPECT_THAT(Set("batch_size", "0.5"), HasSubstr("cannot be read"));
  EXPECT_THAT(Set("batch_size", "5 epochs: 7"), HasSubstr("sets epochs, too"));
  EXPECT_THAT(Set("max_duration", "soon"), HasSubstr("must be a duration"));
  EXPECT_THAT(Set("optimizer", "adamm {}"), HasSubstr("cannot be read"));
  EXPECT_THAT(Set("data.dataset", std::string(70000, 'x')), HasSubstr("at most 64 KiB"));
}

}  // namespace
}  // namespace traind::server
