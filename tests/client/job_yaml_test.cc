// Job files in YAML and JSON: what is read, what is refused and where, and that what is printed is read again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "client/job_file.h"
#include "client/parse_yaml.h"
#include "client/yaml_values.h"
#include "tests/paths.h"
#include "tests/support/bytes.h"

namespace traind::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr char kYaml[] = R"(# A small net.
network:
  layers:
    - name: conv1
      conv2d:
        out_channels: 8
        kernel: [3, 0]
    - {name: logits, dense: {}}
data: {dataset: fashion}
optimizer:
  sgd: {momentum: 0.9}
  learningRate: 0.05
precision: BF16
max_duration: 90s
labels: {team: vision, "run": "3"}
)";

std::string Refusal(const std::string& text, const std::string& name = "j.yaml") {
  return std::string(JobFile::Parse(text, name).status().message());
}

// The spec of a file that is right.
v1::JobSpec Spec(const std::string& text, const std::string& name = "j.yaml") {
  const auto file = JobFile::Parse(text, name);
  EXPECT_TRUE(file.ok()) << text << "\n" << file.status();
  return file.ok() ? file->spec() : v1::JobSpec();
}

TEST(JobYaml, IsReadAndRememberedWithItsPlaces) {
  const auto file = JobFile::Parse(kYaml, "job.yaml");
  ASSERT_TRUE(file.ok()) << file.status();
  const v1::JobSpec& spec = file->spec();
  EXPECT_THAT(spec.network().layers(0).conv2d().kernel(), ElementsAre(3, 0));
  EXPECT_TRUE(spec.network().layers(1).has_dense());
  EXPECT_EQ(spec.optimizer().learning_rate(), 0.05);
  EXPECT_EQ(spec.precision(), v1::PRECISION_BF16);
  EXPECT_EQ(spec.max_duration().seconds(), 90);
  EXPECT_EQ(spec.labels().at("run"), "3");
  const auto explain = [&](const char* field) { return file->Explain({.field = field, .description = "is wrong"}); };
  EXPECT_EQ(explain("spec.network.layers[0].conv2d.kernel[1]"),
            "job.yaml:7:21: network.layers[0].conv2d.kernel[1]: is wrong\n"
            "  7 |         kernel: [3, 0]\n"
            "    |                     ^");
  EXPECT_THAT(explain("network.layers[1].dense.units"), StartsWith("job.yaml:8:22: network.layers[1].dense.units"));
  EXPECT_THAT(explain("optimizer.learning_rate"), StartsWith("job.yaml:12:3: "));
  EXPECT_EQ(explain("loss"), "job.yaml: loss: is wrong");
}

TEST(JobYaml, JsonComesByTheSameWalk) {
  const std::string json =
      "{\n\t\"displayName\": \"\\ud83d\\ude00 \\u00e9\\/\", \"seed\": \"18446744073709551615\",\n"
      "\t\"network\": {\"layers\": [{\"dense\": {\"unitz\": 3}}]}\n}\n";
  EXPECT_THAT(Refusal(json, "j.json"),
              StartsWith("j.json:3:43: Dense has no field \"unitz\"; did you mean units? known"));
  const v1::JobSpec spec = Spec(absl::StrReplaceAll(json, {{"unitz", "units"}}), "j.json");
  EXPECT_EQ(spec.display_name(), "😀 é/");
  EXPECT_EQ(spec.seed(), 18446744073709551615u);
  EXPECT_EQ(spec.network().layers(0).dense().units(), 3u);
}

// A pipe has no ending.
TEST(JobYaml, IsKnownByItsEndingOrItsForm) {
  EXPECT_EQ(Spec("epochs: 3\n", "j.YML").epochs(), 3u);
  EXPECT_EQ(Spec("{\"epochs\": 3}", "<stdin>").epochs(), 3u);
  EXPECT_EQ(Spec("# c\n---\nepochs: 3\n", "<stdin>").epochs(), 3u);
  EXPECT_EQ(Spec("epochs: 3\nevaluation:\n  every_steps: 7\n", "<stdin>").evaluation().every_steps(), 7u);
  EXPECT_EQ(Spec("epochs: 3\nevaluation:\n{ every_steps: 7 }\n", "<stdin>").evaluation().every_steps(), 7u) << "text";
  EXPECT_THAT(Refusal("evaluation:\n  every_steps: 7\n", "j.textproto"), StartsWith("j.textproto:2:")) << "text it is";
}

TEST(JobYaml, AnEmptyFileIsAnEmptySpec) {
  EXPECT_EQ(Spec("").ByteSizeLong(), 0u);
  EXPECT_EQ(Spec("# nothing\n").ByteSizeLong(), 0u);
  EXPECT_EQ(Spec("{}").ByteSizeLong(), 0u);
}

TEST(JobYaml, EveryMistakeIsTold) {
  const std::string message = Refusal(
      "epochz: 3\n"
      "data: {datset: fashion, dataset: fashion}\n"
      "network:\n"
      "  layers:\n"
      "    - {name: a, dense: {unitz: 100}, activaton: {relu: {}}}\n"
      "    - {name: b, dense: {units: ten}, activation: relu}\n"
      "precision: F23\n"
      "seed:\n");
  std::vector<std::string> places;
  for (const absl::string_view line : absl::StrSplit(message, '\n')) {
    if (absl::StartsWith(line, "j.yaml:")) places.emplace_back(line.substr(7, line.find(": ") - 7));
  }
  EXPECT_THAT(places, ElementsAre("1:1", "2:8", "5:25", "5:38", "6:32", "6:50", "7:12", "8:1")) << message;
  EXPECT_THAT(message, HasSubstr("did you mean epochs? "));
  EXPECT_THAT(message, HasSubstr("write {relu: {}}"));
  EXPECT_THAT(message, HasSubstr("did you mean F32? known values: F32, BF16"));
  EXPECT_THAT(message, HasSubstr("  7 | precision: F23\n    |            ^"));
  EXPECT_THAT(Refusal("a: 1\n" + absl::StrJoin(std::vector<std::string>(30, "- b"), "\n")), StartsWith("j.yaml:2:1: "));
}

TEST(JobYaml, ABareNetworkIsRecognized) {
  const auto file = JobFile::Parse("inputShape: [784]\nlayers:\n  - dense: {units: 0}\n", "net.yaml");
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_TRUE(file->is_network());
  EXPECT_THAT(file->Explain({.field = "network.layers[0].dense.units", .description = "is wrong"}),
              StartsWith("net.yaml:3:13: network.layers[0].dense.units"));
}

struct Case {
  const char* text;
  const char* says;
};

// What readers of YAML guess differently is refused, with how to say it.
TEST(JobYaml, NothingIsGuessed) {
  for (const auto& [text, says] : std::vector<Case>{
           {"display_name: no", "1:15: a text must stand here, and no is none to every reader of YAML: write \"no\""},
           {"display_name: On", "write \"On\""},
           {"display_name: 1e3", "write \"1e3\""},
           {"display_name: 0x10", "write \"0x10\""},
           {"display_name: 2026-11-27", "write \"2026-11-27\""},
           {"display_name: 1:30", "write \"1:30\""},
           {"display_name: 1_000", "write \"1_000\""},
           {"display_name: .nan", "write \".nan\""},
           {"display_name: ~", "1:1: display_name has no value: write a value, or leave the field out"},
           {"display_name: null", "has no value"},
           {"network:", "1:1: network has no value: write {}, or leave the field out"},
           {"labels: {a: 3}", "write \"3\""},
           {"labels: {a: }", "\"a\" has no value"},
           {"epochs: 010", "must not begin with 0"},
           {"epochs: 1_000", "\"1_000\" is no whole number"},
           {"epochs: 0o17", "\"0o17\" is no whole number"},
           {"epochs: 1.5", "is no whole number"},
           {"epochs: -1", "out of range: 0 to 4294967295"},
           {"epochs: 4294967296", "out of range"},
           {"seed: 18446744073709551616", "out of range"},
           {"seed: 1e19", "write all its digits"},
           {"epochs: .inf", "is no whole number"},
           {"epochs: [3]", "one uint32 must stand here, not a list"},
           {"epochs: true", "is no whole number"},
           {"optimizer: {learning_rate: 1e999}", "too large"},
           {"optimizer: {learning_rate: inf}", ".inf"},
           {"optimizer: {learning_rate: 01.5}", "must not begin with 0"},
           {"early_stopping: {restore_best: yes}", "true or false must stand here, not \"yes\""},
           {"early_stopping: {restore_best: 1}", "true or false"},
           {"early_stopping: {restore_best: \"true\"}", "without quotes"},
           {"precision: F64", "there is no value \"F64\""},
           {"max_duration: 90", "\"90\" is no duration"},
           {"max_duration: infs", "is no duration"},
           {"network: {input_shape: 784}", "input_shape is a list: write [...]"},
           {"network: {layers: {dense: {units: 1}}}", "layers is a list"},
           {"network: [1]", "is made of fields"},
           {"3", "fields must stand here"},
           {"[a]", "fields must stand here"},
           {"? [a]\n: 1", "the name of a field must stand here"}}) {
    EXPECT_THAT(Refusal(text), HasSubstr(says)) << text;
  }
}

TEST(JobYaml, WhatIsWrittenTwiceIsRefused) {
  EXPECT_THAT(Refusal("epochs: 3\nepochs: 4\n"),
              StartsWith("j.yaml:2:1: epochs stands here for the second time; the first "
                         "is in line 1"));
  EXPECT_THAT(Refusal("batch_size: 3\nbatchSize: 4\n"), HasSubstr("second time"));
  EXPECT_THAT(Refusal("epochs: 3\nsteps: 4\n"), StartsWith("j.yaml:2:1: steps and epochs (line 1) exclude each other"));
  EXPECT_THAT(Refusal("labels: {a: x, a: y}"), HasSubstr("second time"));
}

TEST(JobYaml, WhatIsNotReadIsRefused) {
  for (const auto& [text, says] : std::vector<Case>{{"a: &x 1\nb: *x\n", "1:4: anchors and aliases"},
                                                    {"a: *x\n", "j.yaml:1:"},
                                                    {"optimizer:\n  <<: {learning_rate: 1}\n", "2:3: merge keys"},
                                                    {"display_name: !!str 3\n", "1:15: tags"},
                                                    {"epochs: 1\n---\nepochs: 2\n", "a second document"},
                                                    {"network:\n\tlayers: []\n", "j.yaml:2:"},
                                                    {"network: {layers: [\n", "j.yaml:2:"},
                                                    {"epochs: \xff\n", "1:9: this byte is no UTF-8"},
                                                    {"steps: 1\ndisplay_name: \"a\\_b\"\n", "2:15: the escapes"},
                                                    {"epochs: 1\0\n", "epochs"}}) {
    if (absl::string_view(says) == "epochs") continue;
    EXPECT_THAT(Refusal(text), HasSubstr(says)) << text;
  }
  EXPECT_THAT(Refusal(std::string("epochs: 1\n\0", 11)), StartsWith("j.yaml:2:1: this byte"));
}

// Neither depth nor number is without a bound, and no file takes the program down.
TEST(JobYaml, IsBounded) {
  EXPECT_THAT(Refusal(std::string(100'000, '[')), HasSubstr("deep"));
  EXPECT_FALSE(JobFile::Parse(std::string(100'000, '{'), "j.json").ok());
  std::string nested;
  for (int i = 0; i < 600; ++i) absl::StrAppend(&nested, std::string(static_cast<size_t>(i), ' '), "a:\n");
  EXPECT_FALSE(JobFile::Parse(nested, "j.yaml").ok());
  std::string many = "network: {input_shape: [1";
  for (int i = 0; i < 500'000; ++i) many += ",1";
  EXPECT_THAT(Refusal(many + "]}"), HasSubstr("more than 500000 values"));
  std::string laughs = "a: &a [x, x]\n";
  for (char c = 'b'; c < 'k'; ++c) absl::StrAppend(&laughs, std::string(1, c), ": &", std::string(1, c), " [*a, *a]\n");
  EXPECT_THAT(Refusal(laughs), StartsWith("j.yaml:1:4: anchors"));
}

TEST(JobYaml, NumbersAreExact) {
  EXPECT_EQ(Spec("seed: 18446744073709551615").seed(), 18446744073709551615u);
  EXPECT_EQ(Spec("seed: \"9007199254740993\"").seed(), 9007199254740993u);
  EXPECT_EQ(Spec("steps: 1e3").steps(), 1000u);
  EXPECT_EQ(Spec("steps: 0x10").steps(), 16u);
  EXPECT_EQ(Spec("priority: -2147483648").priority(), std::numeric_limits<int32_t>::min());
  EXPECT_EQ(Spec("optimizer: {learning_rate: 1e-3}").optimizer().learning_rate(), 1e-3);
  EXPECT_TRUE(std::isnan(Spec("optimizer: {learning_rate: .nan}").optimizer().learning_rate()));
  EXPECT_TRUE(std::isinf(Spec("{\"optimizer\": {\"learning_rate\": \"-Infinity\"}}").optimizer().learning_rate()));
  EXPECT_EQ(Spec("precision: PRECISION_BF16").precision(), v1::PRECISION_BF16);
  EXPECT_EQ(Spec("precision: 2").precision(), v1::PRECISION_BF16);
  EXPECT_EQ(static_cast<int>(Spec("precision: 77").precision()), 77) << "the server's to refuse, as in text format";
  EXPECT_EQ(Spec("max_duration: {seconds: 5, nanos: 1}").max_duration().nanos(), 1);
}

TEST(JobYaml, AnExtensionNamesItsType) {
  const std::string text =
      "network: {layers: [{activation: {extension: {\"@type\": type.googleapis.com/traind.v1.Gelu, form: TANH}}}]}";
  const v1::JobSpec spec = Spec(text);
  v1::Gelu gelu;
  ASSERT_TRUE(spec.network().layers(0).activation().extension().UnpackTo(&gelu));
  EXPECT_EQ(gelu.form(), v1::Gelu::FORM_TANH);
  EXPECT_THAT(Refusal(absl::StrReplaceAll(text, {{"Gelu", "Geluu"}})), HasSubstr("that this program knows"));
  EXPECT_THAT(Refusal(absl::StrReplaceAll(text, {{"\"@type\"", "type"}})), HasSubstr("the type is missing"));
  EXPECT_THAT(Refusal(absl::StrReplaceAll(text, {{"form", "forn"}})), HasSubstr("did you mean form?"));
  for (const YamlStyle style : {YamlStyle::kYaml, YamlStyle::kJson}) {
    EXPECT_EQ(Spec(*PrintYaml(spec, style)).SerializeAsString(), spec.SerializeAsString());
  }
}

TEST(PrintYaml, IsWhatAPersonWouldWrite) {
  const v1::JobSpec spec = Spec(kYaml);
  EXPECT_EQ(*PrintYaml(spec, YamlStyle::kYaml),
            "network:\n  layers:\n    - name: conv1\n      conv2d:\n        out_channels: 8\n        kernel: [3, 0]\n"
            "    - name: logits\n      dense: {}\n"
            "data:\n  dataset: fashion\n"
            "optimizer:\n  sgd:\n    momentum: 0.9\n  learning_rate: 0.05\n"
            "precision: BF16\nlabels:\n  run: \"3\"\n  team: vision\nmax_duration: 90s\n");
  v1::JobSpec odd;
  odd.set_display_name("no: \"#\n\x7f");
  odd.mutable_optimizer()->set_learning_rate(1e-5);
  odd.set_seed(9007199254740993u);
  odd.mutable_max_duration()->set_nanos(500'000'000);
  EXPECT_EQ(
      *PrintYaml(odd, YamlStyle::kJson),
      "{\n  \"display_name\": \"no: \\\"#\\u000a\\u007f\",\n  \"optimizer\": {\n    \"learning_rate\": 1.0e-05\n  },\n"
      "  \"seed\": \"9007199254740993\",\n  \"max_duration\": \"0.5s\"\n}\n");
}

TEST(PrintYaml, LosesNothingSilently) {
  v1::JobSpec spec;
  spec.mutable_optimizer()->GetReflection()->MutableUnknownFields(spec.mutable_optimizer())->AddVarint(999, 1);
  EXPECT_THAT(std::string(PrintYaml(spec, YamlStyle::kYaml).status().message()), HasSubstr("does not know"));
  v1::JobSpec foreign;
  foreign.mutable_network()->add_layers()->mutable_extension()->set_type_url("type.googleapis.com/some.Layer");
  EXPECT_THAT(std::string(PrintYaml(foreign, YamlStyle::kYaml).status().message()), HasSubstr("some.Layer"));
}

// Every example, and every bad one, in both forms and back. TRAIND_WRITE_YAML names a folder that gets the examples,
// for tests/pypi/schema_test.py.
TEST(PrintYaml, IsReadAgain) {
  namespace fs = std::filesystem;
  int files = 0;
  for (const char* folder : {"examples", "tests/corpus/configs", "tests/golden"}) {
    for (const auto& entry : fs::recursive_directory_iterator(SourcePath(folder))) {
      if (entry.path().extension() != ".textproto") continue;
      for (const absl::string_view text : absl::StrSplit(ReadBytes(entry.path()), "# case: ")) {
        const auto file = JobFile::Parse(absl::StrCat("# ", text), "j.textproto");
        if (!file.ok()) continue;  // Golden runs are more than job files.
        ++files;
        for (const YamlStyle style : {YamlStyle::kYaml, YamlStyle::kJson}) {
          const auto printed = PrintYaml(file->spec(), style);
          ASSERT_TRUE(printed.ok()) << entry << printed.status();
          const auto again = JobFile::Parse(*printed, "<stdin>");
          ASSERT_TRUE(again.ok()) << entry << again.status() << *printed;
          EXPECT_EQ(PrintText(again->spec()), PrintText(file->spec())) << entry;
          const char* folder_for_yaml = std::getenv("TRAIND_WRITE_YAML");
          if (folder_for_yaml == nullptr || absl::string_view(folder) != "examples" || !file->spec().has_data())
            continue;
          const char* ending = style == YamlStyle::kYaml ? ".yaml" : ".json";
          WriteBytes(absl::StrCat(folder_for_yaml, "/", files, ending), *printed);
        }
      }
    }
  }
  EXPECT_GT(files, 300);
}

}  // namespace
}  // namespace traind::client
