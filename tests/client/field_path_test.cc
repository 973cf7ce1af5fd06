#include "client/field_path.h"

#include <gmock/gmock.h>
#include <google/protobuf/any.pb.h>
#include <google/protobuf/struct.pb.h>
#include <gtest/gtest.h>

#include "tests/support/text_proto.h"
#include "traind/v1/job.pb.h"

namespace traind::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::string ErrorOf(const absl::Status& status) {
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  return std::string(status.message());
}

TEST(FieldPathTest, IsReadStepByStep) {
  const auto steps = ParseFieldPath("network.layers[12].residual.layers[conv.1/a b].inputs[\"3\"]");
  ASSERT_TRUE(steps.ok()) << steps.status();
  ASSERT_EQ(steps->size(), 5u);
  EXPECT_EQ((*steps)[0].field, "network");
  EXPECT_FALSE((*steps)[0].index || (*steps)[0].name);
  EXPECT_EQ((*steps)[1].index, 12);
  EXPECT_FALSE((*steps)[1].name);
  EXPECT_EQ((*steps)[3].field, "layers");
  EXPECT_EQ((*steps)[3].name, "conv.1/a b");
  EXPECT_EQ((*steps)[4].name, "3") << "quotes make a name of a number";
  EXPECT_FALSE((*steps)[4].index);
}

TEST(FieldPathTest, AFaultHasItsPlace) {
  for (const auto& [path, place, what] : {std::tuple("", "character 1 of \"\"", "the name of a field"),
                                          {".a", "character 1 ", "the name of a field"},
                                          {"a.", "character 3 ", "the name of a field"},
                                          {"a..b", "character 3 ", "the name of a field"},
                                          {"learning-rate", "character 9 ", "\".\" or the end"},
                                          {"a[1]b", "character 5 ", "\".\" or the end"},
                                          {"a[1][2]", "character 5 ", "\".\" or the end"},
                                          {"a[1", "character 2 ", "this [ has no ]"},
                                          {"a[", "character 2 ", "this [ has no ]"},
                                          {"a[\"1]", "character 2 ", "this [ has no \"]"},
                                          {"a[]", "character 2 ", "an index or a name"},
                                          {"a[\"\"]", "character 2 ", "an index or a name"},
                                          {"a[-1]", "character 2 ", "a number from 0 to 2147483647"},
                                          {"a[2147483648]", "character 2 ", "a number from 0 to 2147483647"},
                                          {"a[99999999999999999999]", "character 2 ", "a number from 0 to 2147483647"},
                                          {"a[1-2]", "character 2 ", "a number from 0 to 2147483647"},
                                          {" a", "character 1 ", "the name of a field"},
                                          {"a\x1b[2J", "character 2 of \"a\\x1b[2J\"", "\".\" or the end"},
                                          {"größe", "character 3 of \"gr\\xc3\\xb6\\xc3\\x9f", "\".\" or the end"}}) {
    const std::string error = ErrorOf(ParseFieldPath(path).status());
    EXPECT_THAT(error, HasSubstr(place)) << path;
    EXPECT_THAT(error, HasSubstr(what)) << path;
  }
  EXPECT_THAT(ErrorOf(ParseFieldPath(absl::string_view("a\0b", 3)).status()), HasSubstr("\"a\\x00\\x62\""));
}

TEST(FieldPathTest, HasABound) {
  std::string path = "a";
  while (path.size() + 2 <= 1024) path += ".a";
  EXPECT_EQ(ParseFieldPath(path)->size(), 512u);
  EXPECT_THAT(ErrorOf(ParseFieldPath(path + ".aa").status()), HasSubstr("more than 1024 characters"));
  EXPECT_FALSE(ParseFieldPath(std::string(100'000'000, '[')).ok());
}

class SetFieldTest : public ::testing::Test {
 protected:
  // The path that SetField returns.
  std::string Set(const std::string& path, const std::string& value) {
    const absl::StatusOr<std::string> set = SetField(spec_, path, value);
    EXPECT_TRUE(set.ok()) << path << "=" << value << ": " << set.status();
    return set.value_or("");
  }
  // The error, which has changed nothing.
  std::string Refusal(const std::string& path, const std::string& value) {
    const std::string before = spec_.SerializeAsString();
    const std::string error = ErrorOf(SetField(spec_, path, value).status());
    EXPECT_EQ(spec_.SerializeAsString(), before) << path << "=" << value;
    return error;
  }

  v1::JobSpec spec_ = FromText<v1::JobSpec>(R"(
      network {
        layers { name: "conv1" conv2d { out_channels: 8 kernel: [3, 5] } }
        layers { name: "1" dense { units: 4 } }
        layers { name: "logits" dense {} }
      }
      optimizer { sgd { momentum: 0.9 } learning_rate: 0.05 })");
};

TEST_F(SetFieldTest, Scalars) {
  EXPECT_EQ(Set("steps", "100"), "steps");
  EXPECT_EQ(spec_.steps(), 100u);
  Set("optimizer.learning_rate", "-1.5e-3");
  EXPECT_EQ(spec_.optimizer().learning_rate(), -1.5e-3) << "what a number may be is the server's to say";
  Set("optimizer.learning_rate", "inf");
  EXPECT_EQ(spec_.optimizer().learning_rate(), std::numeric_limits<double>::infinity());
  Set("optimizer.sgd.nesterov", "true");
  EXPECT_TRUE(spec_.optimizer().sgd().nesterov());
  Set("optimizer.sgd.nesterov", "false");
  EXPECT_FALSE(spec_.optimizer().sgd().nesterov());
  Set("precision", "BF16");
  EXPECT_EQ(spec_.precision(), v1::PRECISION_BF16);
  Set("batch_size", "0");
  EXPECT_TRUE(spec_.has_batch_size()) << "0 is not nothing";
  Set("batch_size", "");
  EXPECT_FALSE(spec_.has_batch_size());
  Set("optimizer", "");
  EXPECT_FALSE(spec_.has_optimizer());
}

TEST_F(SetFieldTest, ScalarsOfAnotherKindAreRefused) {
  EXPECT_THAT(Refusal("steps", "many"), StartsWith("steps: "));
  EXPECT_THAT(Refusal("steps", "-1"), StartsWith("steps: "));
  EXPECT_THAT(Refusal("steps", "1.5"), StartsWith("steps: "));
  EXPECT_THAT(Refusal("steps", "99999999999999999999"), StartsWith("steps: "));
  EXPECT_THAT(Refusal("steps", "[1]"), StartsWith("steps: "));
  EXPECT_THAT(Refusal("optimizer.sgd.nesterov", "maybe"), StartsWith("optimizer.sgd.nesterov: "));
  EXPECT_THAT(Refusal("precision", "bf16"), HasSubstr("did you mean BF16? known values: F32, BF16"));
  EXPECT_THAT(Refusal("precision", "F64"), HasSubstr("known values: F32, BF16"));
}

TEST_F(SetFieldTest, StringsNeedNoQuotes) {
  for (const auto& [value, result] : {std::pair("two words", "two words"),
                                      {"\"quoted\"", "quoted"},
                                      {"'single \"double\"'", "single \"double\""},
                                      {"\"a\\n\\x41\"", "a\nA"},
                                      {"a\\n\"b\"", "a\\n\"b\""},
                                      {"größe", "größe"},
                                      {"[a]", "[a]"},
                                      {"{a}", "{a}"},
                                      {"a # b", "a # b"},
                                      {"x=y", "x=y"},
                                      {"\"\"", ""}}) {
    Set("display_name", value);
    EXPECT_EQ(spec_.display_name(), result) << value;
  }
  EXPECT_THAT(Refusal("display_name", "\"open"), StartsWith("display_name: "));
  EXPECT_THAT(Refusal("display_name", "'it's'"), StartsWith("display_name: "));
}

TEST_F(SetFieldTest, Bytes) {
  google::protobuf::Any any;
  ASSERT_TRUE(SetField(any, "value", "bare").ok());
  EXPECT_EQ(any.value(), "bare");
  ASSERT_TRUE(SetField(any, "value", "\"\\000\\xff\"").ok());
  EXPECT_EQ(any.value(), std::string("\0\xff", 2));
  ASSERT_TRUE(SetField(any, "value", absl::string_view("\0\xff", 2)).ok());
  EXPECT_EQ(any.value(), std::string("\0\xff", 2));
}

TEST_F(SetFieldTest, Durations) {
  const auto every = [&] { return spec_.checkpoint().every(); };
  for (const auto& [value, seconds, nanos] : {std::tuple("90s", 90, 0),
                                              {"1.5s", 1, 500'000'000},
                                              {"1h30m", 5400, 0},
                                              {"0", 0, 0},
                                              {"-250ms", 0, -250'000'000},
                                              {"{ seconds: 7 }", 7, 0},
                                              {"< seconds: 8 >", 8, 0}}) {
    Set("checkpoint.every", value);
    EXPECT_EQ(every().seconds(), seconds) << value;
    EXPECT_EQ(every().nanos(), nanos) << value;
  }
  EXPECT_EQ(Set("checkpoint.every.seconds", "30"), "checkpoint.every.seconds");
  EXPECT_EQ(every().seconds(), 30);
  for (const char* value : {"30", "soon", "inf", "-inf", "30 s", "30s 40s"}) {
    EXPECT_EQ(Refusal("checkpoint.every", value), "checkpoint.every must be a duration such as 90s, 1.5s or 1h30m");
  }
}

TEST_F(SetFieldTest, MessagesAreMadeOnTheWayAndReplacedAsAWhole) {
  Set("optimizer.adam.beta1", "0.8");
  EXPECT_EQ(spec_.optimizer().adam().beta1(), 0.8);
  EXPECT_FALSE(spec_.optimizer().has_sgd()) << "one member of a oneof";
  EXPECT_EQ(spec_.optimizer().learning_rate(), 0.05) << "its neighbours stay";
  Set("optimizer", "{ sgd { momentum: 0.5 } }");
  EXPECT_EQ(spec_.optimizer().sgd().momentum(), 0.5);
  EXPECT_EQ(spec_.optimizer().learning_rate(), 0) << "replaced, not merged";
  Set("data.preprocessing", "[{ scale {} }, { standardize {} }]");
  EXPECT_EQ(spec_.data().preprocessing_size(), 2);
}

TEST_F(SetFieldTest, AMessageIsNoWord) {
  EXPECT_THAT(Refusal("optimizer", "sdg"),
              StartsWith("optimizer is made of fields: write optimizer.FIELD=VALUE, or optimizer={ FIELD: VALUE }; did "
                         "you mean sgd? known fields: sgd, "));
  EXPECT_THAT(Refusal("optimizer", "{ sdg {} }"), HasSubstr("did you mean sgd?"));
  EXPECT_THAT(Refusal("optimizer", "{ sgd {}"), StartsWith("optimizer: "));
  EXPECT_THAT(Refusal("optimizer", "{ sgd {} adam {} }"), StartsWith("optimizer: ")) << "two of a oneof";
}

TEST_F(SetFieldTest, ElementsByIndex) {
  EXPECT_EQ(Set("network.layers[1].dense.units", "10"), "network.layers[1].dense.units");
  EXPECT_EQ(spec_.network().layers(1).dense().units(), 10u);
  EXPECT_EQ(Set("network.layers[0].conv2d.kernel[1]", "7"), "network.layers[0].conv2d.kernel[1]");
  EXPECT_THAT(spec_.network().layers(0).conv2d().kernel(), ElementsAre(3, 7));
  Set("network.layers[0].conv2d.kernel[0]", "9");
  EXPECT_THAT(spec_.network().layers(0).conv2d().kernel(), ElementsAre(9, 7));
  Set("network.layers[1]", "{ name: \"new\" }");
  EXPECT_EQ(spec_.network().layers_size(), 3);
  EXPECT_EQ(spec_.network().layers(1).ShortDebugString(), "name: \"new\"");
  EXPECT_EQ(spec_.network().layers(2).name(), "logits");
}

TEST_F(SetFieldTest, TheIndexBehindTheLastElementAppendsOne) {
  EXPECT_EQ(Set("network.layers[3].dense.units", "2"), "network.layers[3].dense.units");
  ASSERT_EQ(spec_.network().layers_size(), 4);
  EXPECT_EQ(spec_.network().layers(3).dense().units(), 2u);
  Set("network.layers[4]", "{ name: \"last\" }");
  EXPECT_EQ(spec_.network().layers(4).name(), "last");
  Set("network.input_shape[0]", "28");
  Set("network.input_shape[1]", "29");
  EXPECT_THAT(spec_.network().input_shape(), ElementsAre(28, 29));
  Set("network.layers[0].inputs[0]", "stem");
  EXPECT_THAT(spec_.network().layers(0).inputs(), ElementsAre("stem"));
}

TEST_F(SetFieldTest, ElementsByName) {
  EXPECT_EQ(Set("network.layers[logits].dense.units", "10"), "network.layers[2].dense.units");
  EXPECT_EQ(spec_.network().layers(2).dense().units(), 10u);
  EXPECT_EQ(Set("network.layers[\"1\"].dense.units", "11"), "network.layers[1].dense.units");
  EXPECT_EQ(Set("network.layers[\"conv1\"].conv2d", "{}"), "network.layers[0].conv2d");
}

TEST_F(SetFieldTest, AnEmptyValueRemovesAnElement) {
  Set("network.layers[0].conv2d.kernel[0]", "");
  EXPECT_THAT(spec_.network().layers(0).conv2d().kernel(), ElementsAre(5));
  Set("network.layers[conv1]", "");
  ASSERT_EQ(spec_.network().layers_size(), 2);
  EXPECT_EQ(spec_.network().layers(0).name(), "1");
  EXPECT_EQ(spec_.network().layers(1).name(), "logits");
  Set("network.layers[2]", "");
  EXPECT_EQ(spec_.network().layers_size(), 2) << "there is nothing behind the last one";
}

TEST_F(SetFieldTest, ListsAreReplacedAsAWhole) {
  Set("network.layers[0].conv2d.kernel", "[1, 2]");
  EXPECT_THAT(spec_.network().layers(0).conv2d().kernel(), ElementsAre(1, 2));
  Set("network.layers[0].conv2d.kernel", "4");
  EXPECT_THAT(spec_.network().layers(0).conv2d().kernel(), ElementsAre(4));
  Set("network.layers[0].inputs", "[\"a\", 'b']");
  EXPECT_THAT(spec_.network().layers(0).inputs(), ElementsAre("a", "b"));
  Set("network.layers[0].inputs", "a, b");
  EXPECT_THAT(spec_.network().layers(0).inputs(), ElementsAre("a, b"));
}

TEST_F(SetFieldTest, WrongElementsAreRefused) {
  EXPECT_EQ(Refusal("network.layers[4].dense.units", "1"),
            "network.layers has 3 elements, counted from 0; [3] appends one");
  EXPECT_EQ(Refusal("network.layers[2147483647]", "{}"),
            "network.layers has 3 elements, counted from 0; [3] appends one");
  EXPECT_EQ(Refusal("network.layers[conv2].dense.units", "1"),
            "network.layers has 3 elements, none with the name \"conv2\"; did you mean conv1? known names: conv1, 1, "
            "logits");
  EXPECT_EQ(Refusal("network.layers.dense.units", "1"),
            "network.layers has 3 elements; choose one by index from 0, or by name");
  EXPECT_EQ(Refusal("network.input_shape[x]", "1"), "network.input_shape has 0 elements, none with the name \"x\"");
  EXPECT_EQ(Refusal("data.preprocessing[scale]", "{}"),
            "data.preprocessing has 0 elements, none with the name \"scale\"");
  EXPECT_EQ(Refusal("network[0].layers", "{}"), "network is no list and has no elements");
  EXPECT_EQ(Refusal("steps[0]", "1"), "steps is no list and has no elements");
  EXPECT_EQ(Refusal("network.layers[0].conv2d.kernel[0]", "[1, 2]"),
            "network.layers[0].conv2d.kernel[0] is one element and takes one value");
  EXPECT_EQ(Refusal("network.layers[0].conv2d.kernel[0]", "[]"),
            "network.layers[0].conv2d.kernel[0] is one element and takes one value");
}

TEST_F(SetFieldTest, AnUnknownFieldGetsTheKnownOnes) {
  EXPECT_THAT(Refusal("stepz", "1"), StartsWith("JobSpec has no field \"stepz\"; did you mean steps? known fields: "));
  EXPECT_EQ(Refusal("optimizer.sgd.momentun", "1"),
            "optimizer.sgd has no field \"momentun\"; did you mean momentum? known fields: momentum, nesterov");
  EXPECT_THAT(Refusal("network.layers[logits].dens.units", "1"),
              StartsWith("network.layers[2] has no field \"dens\"; did you mean dense?"));
  EXPECT_THAT(Refusal("optimizer.banana", "1"), Not(HasSubstr("did you mean")));
  EXPECT_EQ(Refusal("steps.more", "1"), "steps has no fields of its own");
  EXPECT_EQ(Refusal("display_name.more", "1"), "display_name has no fields of its own");
}

TEST_F(SetFieldTest, AMapIsSetAsAWhole) {
  google::protobuf::Struct map;
  ASSERT_TRUE(SetField(map, "fields", "{ key: \"a\" value { number_value: 1 } }").ok());
  EXPECT_EQ(map.ShortDebugString(), "fields { key: \"a\" value { number_value: 1 } }");
  EXPECT_EQ(ErrorOf(SetField(map, "fields.a", "1").status()), "fields is a map, which can be set as a whole only");
  EXPECT_EQ(ErrorOf(SetField(map, "fields[a]", "1").status()), "fields is no list and has no elements");
}

// The value is text format, which must not reach beyond its field.
TEST_F(SetFieldTest, AValueSetsItsOwnFieldOnly) {
  EXPECT_EQ(Refusal("steps", "1 seed: 2"), "steps: the value sets seed, too");
  EXPECT_EQ(Refusal("optimizer", "{} data { dataset: \"x\" }"), "optimizer: the value sets data, too");
  EXPECT_THAT(Refusal("steps", "1 steps: 2"), StartsWith("steps: "));
  EXPECT_THAT(Refusal("steps", "1 }"), StartsWith("steps: "));
}

TEST_F(SetFieldTest, HostileValuesAreRefused) {
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "{ block { branches { branches ";
  EXPECT_THAT(Refusal("network", deep), StartsWith("network: "));
  std::string nested = "{ residual { ";
  for (int i = 0; i < 50'000; ++i) nested += "layers { block { residual { ";
  EXPECT_THAT(Refusal("network.layers[0].block", nested), HasSubstr("too deep"));
  for (const std::string& value : {std::string("\0", 1), std::string("\xff\xfe"), std::string("{ \x1b[2J }"),
                                   std::string("["), std::string("{"), std::string("<"), std::string("\"")}) {
    EXPECT_THAT(Refusal("network", value), StartsWith("network"));
  }
}

}  // namespace
}  // namespace traind::client
