#include "client/job_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/enum_names.h"
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

// Of enums inside messages, in lists, and numbers.
TEST(JobFileTest, EnumValuesMayLeaveTheirEnumsNameOut) {
  for (const auto& [precision, mode, group, order, fan] :
       {std::array{"BF16", "SAME", "BIASES", "PRE_ACTIVATION", "OUT"},
        std::array{"PRECISION_BF16", "MODE_SAME", "PARAMETER_GROUP_BIASES", "ORDER_PRE_ACTIVATION", "FAN_OUT"},
        std::array{"2", "2", "2", "2", "2"}}) {
    const auto file = JobFile::Parse(
        absl::StrCat("precision: ", precision, " network { layers { name: 'c' conv2d { padding { mode: ", mode,
                     " } weight_init { kaiming { fan: ", fan, " } } } } layers { name: 'r' block { residual { order: ",
                     order, " } } } regularizers { l1 {} groups: [WEIGHTS, ", group, "] } }"),
        "j");
    ASSERT_TRUE(file.ok()) << file.status();
    const v1::Network& network = file->spec().network();
    EXPECT_EQ(file->spec().precision(), v1::PRECISION_BF16);
    EXPECT_EQ(network.layers(0).conv2d().padding().mode(), v1::Padding::MODE_SAME);
    EXPECT_EQ(network.layers(0).conv2d().weight_init().kaiming().fan(), v1::FAN_OUT);
    EXPECT_EQ(network.layers(1).block().residual().order(), v1::Residual::ORDER_PRE_ACTIVATION);
    EXPECT_THAT(network.regularizers(0).groups(),
                ::testing::ElementsAre(v1::PARAMETER_GROUP_WEIGHTS, v1::PARAMETER_GROUP_BIASES));
  }
}

TEST(JobFileTest, PlacesBehindAShortNameAreRight) {
  EXPECT_THAT(std::string(JobFile::Parse("precision: F32 epochz: 1\n", "j").status().message()),
              StartsWith("j:1:16: "));
  EXPECT_THAT(std::string(JobFile::Parse("precision: F32 sampling: SHUFLED\n", "j").status().message()),
              StartsWith("j:1:26: Unknown enumeration value"));
  const auto file = JobFile::Parse("precision: F32 sampling: SHUFFLED network { layers {} }\n", "j");
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_THAT(Explain(*file, "spec.sampling"), StartsWith("j:1:16: sampling: "));
  EXPECT_THAT(Explain(*file, "spec.network.layers[0].name"), StartsWith("j:1:45: network.layers[0].name: "));
}

TEST(JobFileTest, EnumValuesInAnExtensionMayLeaveItOutToo) {
  const auto file = JobFile::Parse(
      "network { layers { activation { extension { [type.googleapis.com/traind.v1.Gelu] { form: TANH } } } } }", "j");
  ASSERT_TRUE(file.ok()) << file.status();
  v1::Gelu gelu;
  ASSERT_TRUE(file->spec().network().layers(0).activation().extension().UnpackTo(&gelu));
  EXPECT_EQ(gelu.form(), v1::Gelu::FORM_TANH);
}

TEST(JobFileTest, BytesThatAreNoUtf8AreRefused) {
  EXPECT_THAT(std::string(JobFile::Parse("steps: 1\n\tdisplay_name: '\xff'", "j").status().message()),
              HasSubstr("j:2:24: this byte is no UTF-8 text"));
  const auto escaped = JobFile::Parse("network {\n  layers { name: 'a' }\n  layers { name: 'b\\351' }\n}", "j");
  EXPECT_THAT(std::string(escaped.status().message()), HasSubstr("j:3:12: name is no UTF-8 text: \"b\\xe9\""));
}

// Printed with short names, and read again.
TEST(PrintTextTest, LeavesTheEnumsNamesOut) {
  v1::JobSpec spec;
  spec.set_precision(v1::PRECISION_BF16);
  auto* regularizer = spec.mutable_network()->add_regularizers();
  regularizer->mutable_l2()->set_strength(0.5);
  regularizer->add_groups(v1::PARAMETER_GROUP_WEIGHTS);
  regularizer->add_groups(v1::PARAMETER_GROUP_BIASES);
  const std::string text = PrintText(spec);
  EXPECT_EQ(text,
            "network {\n  regularizers {\n    l2 {\n      strength: 0.5\n    }\n    groups: WEIGHTS\n"
            "    groups: BIASES\n  }\n}\nprecision: BF16\n");
  v1::JobSpec again;
  EXPECT_FALSE(ParseText(text, again).has_value());
  EXPECT_EQ(again.SerializeAsString(), spec.SerializeAsString());
}

TEST(EnumNamesTest, AreFoundShortAndWhole) {
  EXPECT_EQ(EnumName(v1::JOB_STATE_QUEUED), "QUEUED");
  EXPECT_EQ(EnumName(static_cast<v1::JobState>(77)), "77");
  EXPECT_EQ(FindEnumValue(*v1::Format_descriptor(), "CSV")->number(), v1::FORMAT_CSV);
  EXPECT_EQ(FindEnumValue(*v1::Format_descriptor(), "FORMAT_CSV")->number(), v1::FORMAT_CSV);
  EXPECT_EQ(FindEnumValue(*v1::Format_descriptor(), "QUEUED"), nullptr);
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
        "network.layers[1].dense.units=10", "optimizer.adam.beta1=0.8", "precision=BF16",
        "sampling=SAMPLING_SEQUENTIAL", "network.regularizers[0].groups=[WEIGHTS,BIASES]", "display_name=two words",
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
  EXPECT_EQ(spec.precision(), v1::PRECISION_BF16);
  EXPECT_EQ(spec.sampling(), v1::SAMPLING_SEQUENTIAL);
  EXPECT_THAT(spec.network().regularizers(0).groups(),
              ::testing::ElementsAre(v1::PARAMETER_GROUP_WEIGHTS, v1::PARAMETER_GROUP_BIASES));
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

TEST(JobFileTest, EveryTypoIsTold) {
  const absl::Status status = JobFile::Parse(
                                  "epochz: 3\n"
                                  "data { datset: 'fashion' dataset: 'fashion' }\n"
                                  "network {\n"
                                  "  layers { name: 'a' dense { unitz: 100 } activaton { relu { } } }\n"
                                  "  layers { name: 'b' dense { units: ten } }\n"
                                  "}\n"
                                  "precision: F23, seed: 1 # the last } one\n",
                                  "job")
                                  .status();
  std::vector<std::string> places;
  for (const absl::string_view line : absl::StrSplit(status.message(), '\n')) {
    if (absl::StartsWith(line, "job:")) places.emplace_back(line.substr(0, line.find(": ")));
  }
  EXPECT_THAT(places, ::testing::ElementsAre("job:1:1", "job:2:8", "job:4:30", "job:4:43", "job:5:37", "job:7:12"))
      << status.message();
}

TEST(JobFileTest, WhatFollowsAnErrorOfFormIsNotGuessed) {
  const absl::Status status =
      JobFile::Parse("epochz: 3\nnetwork {\n  layers { name: }\nsteps: 1\nfoo: 2\n", "job").status();
  EXPECT_THAT(std::string(status.message()), ::testing::StartsWith("job:1:1: "));
  EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr("\njob:3:18: "));
  EXPECT_THAT(std::string(status.message()), ::testing::Not(::testing::HasSubstr("foo")));
}

}  // namespace
}  // namespace traind::client
