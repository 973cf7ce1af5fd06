#include "client/job_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/names.h"

namespace traind::client {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr char kJob[] = R"(# A small net.
network {
  layers {
    name: "conv1"
    conv2d {
      out_channels: 8
      kernel: [3, 0]
    }
  }
	layers { name: "logits" dense {} }
}
data { dataset: "fashion" }
optimizer { sgd { momentum: 0.9 } learning_rate: 0.05 }
)";

JobFile Job() { return *JobFile::Parse(kJob, "job.textproto"); }

std::string Explain(const JobFile& file, const std::string& field) {
  return file.Explain({.field = field, .description = "is wrong"});
}

TEST(JobFileTest, AnErrorOfTheServerPointsIntoTheFile) {
  EXPECT_EQ(Explain(Job(), "spec.network.layers[0].conv2d.kernel[1]"),
            "job.textproto:7:7: network.layers[0].conv2d.kernel[1]: is wrong\n"
            "  7 |       kernel: [3, 0]\n"
            "    |       ^");
  EXPECT_THAT(Explain(Job(), "network.layers[0].conv2d.out_channels"), StartsWith("job.textproto:6:7: "));
}

TEST(JobFileTest, AMissingFieldPointsToWhatSurroundsIt) {
  // The tab before it counts as eight columns.
  EXPECT_THAT(Explain(Job(), "spec.network.layers[1].dense.units"),
              StartsWith("job.textproto:10:33: network.layers[1]"));
  EXPECT_THAT(Explain(Job(), "spec.optimizer.adam.beta1"), StartsWith("job.textproto:13:1: optimizer.adam.beta1: "));
  EXPECT_EQ(Explain(Job(), "spec.loss"), "job.textproto: loss: is wrong");
  EXPECT_EQ(Explain(Job(), ""), "job.textproto: is wrong");
  EXPECT_EQ(Explain(Job(), "job_id"), "job.textproto: job_id: is wrong");
  EXPECT_EQ(Explain(Job(), "spec..[["), "job.textproto: .[[: is wrong");
}

TEST(JobFileTest, AnUnknownFieldGetsItsPlaceAndTheKnownOnes) {
  const absl::Status status =
      JobFile::Parse("network {\n  layers { conv2d { kernl: 3 } }\n}\n", "net.textproto").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(),
            "net.textproto:2:21: Message type \"traind.v1.Conv2d\" has no field named \"kernl\"; did you mean kernel? "
            "known fields: out_channels, kernel, stride, padding, dilation, groups, bias, weight_init, bias_init\n"
            "  2 |   layers { conv2d { kernl: 3 } }\n"
            "    |                     ^");
}

TEST(JobFileTest, AnUnknownEnumValueGetsTheKnownOnes) {
  const std::string message(JobFile::Parse("precision: BF61\n", "j").status().message());
  EXPECT_THAT(message, StartsWith("j:1:12: Unknown enumeration value"));
  EXPECT_THAT(message, HasSubstr("did you mean BF16? known values: F32, BF16"));
}

TEST(JobFileTest, SyntaxErrorsHaveAPlace) {
  EXPECT_THAT(std::string(JobFile::Parse("network {\n  layers {\n", "j").status().message()), StartsWith("j:3:1: "));
  EXPECT_THAT(std::string(JobFile::Parse("epochs: many\n", "j").status().message()), StartsWith("j:1:9: "));
  EXPECT_THAT(std::string(JobFile::Parse("epochs: 1 steps: 2\n", "j").status().message()), HasSubstr("j:1:"));
  EXPECT_FALSE(JobFile::Parse(std::string(1000, '{'), "j").ok());
  EXPECT_TRUE(absl::IsNotFound(JobFile::Read("/no/such/file").status()));
}

TEST(JobFileTest, OnlyTheNearPartOfALongLineIsShown) {
  const std::string long_line = std::string(1000, ' ') + "epochz: 1" + std::string(1000, ' ');
  const std::string message(JobFile::Parse(long_line, "j").status().message());
  EXPECT_THAT(message, StartsWith("j:1:1001: "));
  EXPECT_THAT(message, EndsWith("\n  1 | " + std::string(80, ' ') + "epochz: 1" + std::string(71, ' ') + "\n    | " +
                                std::string(80, ' ') + "^"));
}

TEST(JobFileTest, WhatIsNoTextIsShownWithoutControlCharacters) {
  const std::string message(JobFile::Parse(absl::string_view("\x1b[2J\0\x07z", 7), "j").status().message());
  EXPECT_THAT(message, HasSubstr("  1 | ?[2J??z\n"));
}

TEST(JobFileTest, ABareNetworkIsRecognized) {
  const auto file = JobFile::Parse("input_shape: 784\nlayers { name: \"a\" dense { units: 0 } }\n", "net");
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_TRUE(file->is_network());
  EXPECT_EQ(file->spec().network().layers(0).dense().units(), 0u);
  EXPECT_THAT(Explain(*file, "network.layers[0].dense.units"), StartsWith("net:2:28: network.layers[0].dense.units"));
  EXPECT_FALSE(Job().is_network());
}

TEST(JobFileTest, SetChangesFields) {
  JobFile file = Job();
  for (const char* assignment :
       {"steps=100", "optimizer.learning_rate=0.1", "data.dataset=digits", "network.layers[conv1].conv2d.kernel=[5,5]",
        "network.layers[1].dense.units=10", "optimizer.adam.beta1=0.8", "precision=BF16", "display_name=two words",
        "network.input_shape=[1,28,28]"}) {
    EXPECT_TRUE(file.Set(assignment).ok()) << file.Set(assignment);
  }
  const v1::JobSpec& spec = file.spec();
  EXPECT_EQ(spec.steps(), 100u);
  EXPECT_EQ(spec.optimizer().learning_rate(), 0.1);
  EXPECT_EQ(spec.data().dataset(), "digits");
  EXPECT_THAT(spec.network().layers(0).conv2d().kernel(), ::testing::ElementsAre(5, 5));
  EXPECT_EQ(spec.network().layers(1).dense().units(), 10u);
  EXPECT_FALSE(spec.optimizer().has_sgd()) << "another branch of the oneof replaces it";
  EXPECT_EQ(spec.optimizer().adam().beta1(), 0.8);
  EXPECT_EQ(spec.precision(), v1::BF16);
  EXPECT_EQ(spec.display_name(), "two words");
  EXPECT_TRUE(file.Set("steps=").ok());
  EXPECT_FALSE(file.spec().has_steps());
}

TEST(JobFileTest, AnErrorInASetFieldPointsToTheAssignment) {
  JobFile file = Job();
  ASSERT_TRUE(file.Set("optimizer.learning_rate=-1").ok());
  ASSERT_TRUE(file.Set("network.layers[conv1].conv2d={}").ok());
  EXPECT_EQ(Explain(file, "spec.optimizer.learning_rate"),
            "--set optimizer.learning_rate=-1: optimizer.learning_rate: is wrong");
  EXPECT_EQ(Explain(file, "spec.network.layers[0].conv2d.kernel"),
            "--set network.layers[conv1].conv2d={}: network.layers[0].conv2d.kernel: is wrong");
  EXPECT_THAT(Explain(file, "spec.optimizer.sgd"), StartsWith("job.textproto:13:"));
}

TEST(JobFileTest, WrongAssignmentsAreRefusedAndChangeNothing) {
  JobFile file = Job();
  const std::string before = file.spec().SerializeAsString();
  for (const auto& [assignment, reason] : {std::pair("steps", "must be field.path=value"),
                                           {"stepz=1", "did you mean steps?"},
                                           {"optimizer.sgd.momentun=1", "did you mean momentum?"},
                                           {"steps=many", "many"},
                                           {"precision=F64", "known values: F32, BF16"},
                                           {"network.layers[7].dense.units=1", "has 2 elements"},
                                           {"network.layers[conv9].dense.units=1", "has 2 elements"},
                                           {"network.layers.dense.units=1", "has 2 elements"},
                                           {"steps.more=1", "no fields of its own"},
                                           {"=1", "the name of a field must come here"}}) {
    const absl::Status status = file.Set(assignment);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << assignment;
    EXPECT_THAT(std::string(status.message()), HasSubstr(reason)) << assignment;
  }
  EXPECT_EQ(file.spec().SerializeAsString(), before);
}

TEST(NamesTest, BareIdsAreCompleted) {
  EXPECT_EQ(FullName("datasets", "fashion"), "datasets/fashion");
  EXPECT_EQ(FullName("datasets", "datasets/fashion"), "datasets/fashion");
  EXPECT_EQ(WeightsName("cnn"), "jobs/cnn/checkpoints/latest");
  EXPECT_EQ(WeightsName("jobs/cnn"), "jobs/cnn/checkpoints/latest");
  EXPECT_EQ(WeightsName("cnn/best"), "jobs/cnn/checkpoints/best");
  EXPECT_EQ(WeightsName("jobs/cnn/checkpoints/400"), "jobs/cnn/checkpoints/400");
  EXPECT_EQ(WeightsName("models/mine"), "models/mine");
  EXPECT_EQ(ShortName("jobs/cnn"), "cnn");
  EXPECT_EQ(ShortName("cnn"), "cnn");
}

}  // namespace
}  // namespace traind::client
