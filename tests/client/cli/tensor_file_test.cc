#include "client/cli/tensor_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/bytes.h"
#include "tests/support/temporary_folder.h"
#include "traind/internal/onnx.pb.h"

namespace traind::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class TensorFileTest : public ::testing::Test {
 protected:
  std::string Write(const std::string& name, const std::string& bytes) {
    WriteBytes(folder_ / name, bytes);
    return folder_ / name;
  }
  static TensorFile With(const std::vector<std::string>& names) {
    TensorFile file;
    for (const std::string& name : names) file.tensors.push_back({name, "F32", {1}, "abcd"});
    return file;
  }
  static std::vector<std::string> NamesOf(const TensorFile& file) {
    std::vector<std::string> names;
    for (const FileTensor& tensor : file.tensors) names.push_back(tensor.name);
    return names;
  }
  const TemporaryFolder folder_;
};

TEST_F(TensorFileTest, SafetensorsComeBackAsTheyWere) {
  TensorFile file = With({"a.weight"});
  file.tensors.push_back({"b", "F16", {2, 2}, "12345678"});
  file.metadata = R"({"traind":"0.3.0"})";
  const std::string path = folder_ / "w";
  ASSERT_TRUE(WriteSafetensors(path, file).ok());
  const auto read = ReadSafetensors(path);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_THAT(NamesOf(*read), ElementsAre("a.weight", "b"));
  EXPECT_EQ(read->tensors[1].bytes, "12345678");
  EXPECT_THAT(read->tensors[1].shape, ElementsAre(2, 2));
  EXPECT_EQ(read->metadata, file.metadata);
}

TEST_F(TensorFileTest, WhatIsNoSafetensorsFileIsRefused) {
  for (const std::string& bytes :
       {std::string(), std::string("short"), std::string(8, '\xff'), std::string("\2\0\0\0\0\0\0\0{}", 10) + "x",
        std::string("\4\0\0\0\0\0\0\0null", 12), std::string("\x10\0\0\0\0\0\0\0{\"a\":{\"x\":true}}", 24)}) {
    const auto read = ReadSafetensors(Write("w", bytes));
    if (bytes.size() == 11) continue;  // No tensors, and a byte too many: nothing of it is lost.
    EXPECT_TRUE(absl::IsInvalidArgument(read.status())) << bytes;
  }
}

internal::OnnxTensor& Add(internal::OnnxModel& model, const std::string& name, int32_t type, int64_t values) {
  internal::OnnxTensor& tensor = *model.mutable_graph()->add_initializer();
  tensor.set_name(name);
  tensor.set_data_type(type);
  tensor.add_dims(values);
  return tensor;
}

TEST_F(TensorFileTest, InitializersOfFloatsAreWeights) {
  internal::OnnxModel model;
  Add(model, "raw", 1, 1).set_raw_data("abcd");
  Add(model, "listed", 1, 2).mutable_float_data()->Add(1.5f);
  model.mutable_graph()->mutable_initializer(1)->add_float_data(2.5f);
  Add(model, "half", 10, 1).add_int32_data(0x3C00);
  Add(model, "shape", 7, 1).set_raw_data("12345678");
  const auto read = ReadOnnx(Write("m.onnx", model.SerializeAsString()));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_THAT(NamesOf(*read), ElementsAre("raw", "listed", "half"));
  EXPECT_EQ(read->tensors[1].bytes.size(), 8U);
  EXPECT_EQ(read->tensors[2].bytes, std::string("\x00\x3C", 2));
  EXPECT_THAT(read->left_out, ElementsAre("shape (no floats)"));
}

TEST_F(TensorFileTest, OfOurOwnFilesTheWeightsAlone) {
  internal::OnnxModel model;
  model.set_producer_name("traind");
  Add(model, "fc.weight", 1, 1).set_raw_data("abcd");
  Add(model, "fc/number_0", 1, 1).set_raw_data("abcd");
  Add(model, "preprocessing.0.mean", 1, 1).set_raw_data("abcd");
  const auto read = ReadOnnx(Write("m.onnx", model.SerializeAsString()));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_THAT(NamesOf(*read), ElementsAre("fc.weight"));
}

TEST_F(TensorFileTest, InitializersWithoutTheirNumbersAreRefused) {
  internal::OnnxModel model;
  internal::OnnxTensor& tensor = Add(model, "far", 1, 1);
  tensor.set_data_location(1);
  EXPECT_THAT(ReadOnnx(Write("m.onnx", model.SerializeAsString())).status().message(), HasSubstr("in another file"));
  tensor.set_data_location(0);
  EXPECT_THAT(ReadOnnx(Write("m.onnx", model.SerializeAsString())).status().message(), HasSubstr("do not fill"));
  EXPECT_TRUE(absl::IsInvalidArgument(ReadOnnx(Write("m.onnx", "no message")).status()));
}

TEST_F(TensorFileTest, NamesAreThoseOfALineOrOfThePartBeforeADot) {
  const auto names = TensorNames::Read(Write("names", "conv1 features.0  # all of it\n\nconv1.bias features.b\n"));
  ASSERT_TRUE(names.ok()) << names.status();
  TensorFile file = With({"conv1.weight", "conv1.bias", "conv10.weight"});
  ASSERT_TRUE(names->ToTheirs(file).ok());
  EXPECT_THAT(NamesOf(file), ElementsAre("features.0.weight", "features.b", "conv10.weight"));
  ASSERT_TRUE(names->ToOurs(file).ok());
  EXPECT_THAT(NamesOf(file), ElementsAre("conv1.weight", "conv1.bias", "conv10.weight"));
}

TEST_F(TensorFileTest, NamesThatMeanTwoThingsAreRefused) {
  EXPECT_THAT(TensorNames::Read(Write("names", "a b\nc b\n")).status().message(),
              HasSubstr("names:2: wants two names"));
  EXPECT_FALSE(TensorNames::Read(Write("names", "a\n")).ok());
  const auto names = TensorNames::Read(Write("names", "a b\n"));
  TensorFile file = With({"a", "b"});
  EXPECT_THAT(names->ToTheirs(file).message(), HasSubstr("two tensors would be called b"));
}

TEST_F(TensorFileTest, TorchCallsASlopeWeight) {
  const auto names = TensorNames::Read("torch");
  ASSERT_TRUE(names.ok());
  TensorFile file = With({"conv.weight", "conv.slope", "act.slope"});
  ASSERT_TRUE(names->ToTheirs(file).ok());
  EXPECT_THAT(NamesOf(file), ElementsAre("conv.weight", "conv.activation.weight", "act.weight"));
  EXPECT_FALSE(names->ToOurs(file).ok());
}

}  // namespace
}  // namespace traind::client
