#include "core/checkpoint/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cfloat>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "core/base/checksum.h"
#include "tests/support/file_formats.h"
#include "tests/support/temporary_folder.h"

namespace traind::core {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string File(const std::string& header, const std::string& data) {
  return LittleEndian(header.size(), 8) + header + data;
}
std::string OneTensor(const std::string& dtype, const std::string& shape, const std::string& data) {
  return File(R"({"t":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":[0,)" +
                  std::to_string(data.size()) + "]}}",
              data);
}

class SafetensorsTest : public ::testing::Test {
 protected:
  absl::StatusOr<Safetensors> OpenBytes(const std::string& bytes) {
    WriteBytes(path_, bytes);
    return Safetensors::Open(path_);
  }
  TemporaryFolder folder_;
  const std::string path_ = folder_ / "m.safetensors";
};

TEST_F(SafetensorsTest, WrittenFilesComeBackInOrder) {
  const std::vector<Tensor> tensors = {{"z.weight", {2, 3}, {1, 2, 3, 4, 5, 6}},
                                       {"a \"quoted\" \xc3\xa9", {}, {-0.0f}},
                                       {"empty", {0, 4}, {}},
                                       {"b", {1}, {std::nanf("")}}};
  auto written = WriteSafetensors(path_, SourcesOf(tensors), {{"format", "pt"}, {"k\n", "v"}});
  ASSERT_TRUE(written.ok()) << written.status();
  const std::string bytes = ReadBytes(path_);
  EXPECT_EQ(written->size_bytes, static_cast<int64_t>(bytes.size()));
  EXPECT_EQ(written->crc32, Crc32Hex(bytes));  // Also with a tensor that has no numbers.
  auto file = Safetensors::Open(path_);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->metadata().at("k\n"), "v");
  const std::vector<Tensor> read = file->LoadAll();
  ASSERT_EQ(read.size(), tensors.size());
  for (size_t i = 0; i < read.size(); ++i) {
    EXPECT_EQ(read[i].name, tensors[i].name);
    EXPECT_EQ(read[i].shape, tensors[i].shape);
    EXPECT_EQ(RawBytes(read[i].values), RawBytes(tensors[i].values));  // Bit for bit, NaN and -0 too.
  }
  EXPECT_EQ(file->entries()[0].begin % 8, 0);
  EXPECT_EQ(file->Find("none"), nullptr);
  EXPECT_EQ(file->Load("none").status().code(), absl::StatusCode::kNotFound);
}

// Recorded: what save_file({"a": [[3]], "b": [1, 2]}) of Python's safetensors 0.8.0 writes for float32 arrays.
TEST_F(SafetensorsTest, WritesTheBytesTheFormatPrescribes) {
  const std::vector<Tensor> tensors = {{"a", {1, 1}, {3}}, {"b", {2}, {1, 2}}};
  ASSERT_TRUE(WriteSafetensors(path_, SourcesOf(tensors)).ok());
  std::string header =
      R"({"a":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  EXPECT_EQ(ReadBytes(path_), File(header, RawBytes<float>({3, 1, 2})));
}

TEST_F(SafetensorsTest, NoTensorsIsAFileToo) {
  ASSERT_TRUE(WriteSafetensors(path_, {}).ok());
  auto file = Safetensors::Open(path_);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_TRUE(file->entries().empty());
}

TEST_F(SafetensorsTest, ConvertsOtherFloats) {
  // 1, -2, 65504 (largest), 2^-24 (smallest), infinity.
  auto half = OpenBytes(OneTensor("F16", "[5]", RawBytes<uint16_t>({0x3c00, 0xc000, 0x7bff, 0x0001, 0x7c00})));
  ASSERT_TRUE(half.ok()) << half.status();
  EXPECT_THAT(half->Load("t")->values, ElementsAre(1.0f, -2.0f, 65504.0f, 0x1p-24f, INFINITY));
  auto nan = OpenBytes(OneTensor("F16", "[1]", RawBytes<uint16_t>({0x7e00})));
  EXPECT_TRUE(std::isnan(nan->Load("t")->values[0]));
  auto bfloat = OpenBytes(OneTensor("BF16", "[2]", RawBytes<uint16_t>({0x3f80, 0xc049})));
  EXPECT_THAT(bfloat->Load("t")->values, ElementsAre(1.0f, -3.140625f));
  auto wide = OpenBytes(OneTensor("F64", "[2]", RawBytes<double>({0.1, -1e300})));
  EXPECT_THAT(wide->Load("t")->values, ElementsAre(0.1f, -INFINITY));
}

// PyTorch's batch norm counts its minibatches.
TEST_F(SafetensorsTest, IntegersAreThereButAreNotRead) {
  auto file = OpenBytes(File(R"({"bn.num_batches_tracked":{"dtype":"I64","shape":[],"data_offsets":[4,12]},)"
                             R"("w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
                             RawBytes<float>({2.5f}) + std::string(8, '\1')));
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_EQ(file->integers().size(), 1u);
  EXPECT_EQ(file->integers()[0].name, "bn.num_batches_tracked");
  EXPECT_EQ(file->integers()[0].dtype, "I64");
  ASSERT_EQ(file->entries().size(), 1u);
  EXPECT_EQ(file->Find("bn.num_batches_tracked"), nullptr);
  EXPECT_THAT(file->Load("w")->values, ElementsAre(2.5f));
  EXPECT_EQ(file->LoadAll().size(), 1u);
}

TEST_F(SafetensorsTest, RefusesToWriteWhatCannotBeRead) {
  const auto write = [&](const std::vector<Tensor>& tensors) {
    return WriteSafetensors(path_, SourcesOf(tensors)).status().code();
  };
  EXPECT_EQ(write({{"a", {1}, {1}}, {"a", {1}, {1}}}), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(write({{"", {1}, {1}}}), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(write({{"__metadata__", {1}, {1}}}), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(write({{"a", {2}, {1}}}), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(write({{"a", {-1}, {}}}), absl::StatusCode::kInvalidArgument);
}

TEST_F(SafetensorsTest, WritesOnlyFiniteValuesWhereThatIsWanted) {
  for (const float bad : {std::nanf(""), -std::nanf(""), INFINITY, -INFINITY}) {
    for (const size_t at : {0, 7, 99, 999}) {
      std::vector<Tensor> tensors = {{"fine", {2}, {FLT_MAX, -FLT_MIN}},
                                     {"bad", {1000}, std::vector<float>(1000, 1e-40f)}};
      EXPECT_TRUE(WriteSafetensors(path_, SourcesOf(tensors), {}, /*only_finite=*/true).ok());
      tensors[1].values[at] = bad;
      const absl::Status status = WriteSafetensors(path_, SourcesOf(tensors), {}, /*only_finite=*/true).status();
      EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange);
      EXPECT_EQ(status.message(), "the tensor \"bad\" has values that are not finite");
    }
  }
}

TEST_F(SafetensorsTest, NamesWhatIsWrongWithAFile) {
  const std::string four(4, '\0');
  const struct {
    std::string bytes;
    std::string message;
  } cases[] = {
      {"", "byte 0: ends within the header's length"},
      {"1234567", "byte 7: ends within the header's length"},
      {LittleEndian(100, 8) + "{}", "byte 0: a header of 100 bytes; the file has 2 more bytes"},
      {LittleEndian(~uint64_t{0}, 8) + "{}", "byte 0: a header of 18446744073709551615 bytes"},
      {File("", ""), "the header is not valid JSON"},
      {File("{\"a\":", ""), "byte 14: the header is not valid JSON"},
      {File("{\"\xff\":{}}", ""), "the header is not valid JSON"},
      {File("[]", ""), "must be a JSON object"},
      {File("5", ""), "must be a JSON object"},
      {File(R"({"t":5})", ""), "the value of 't' has the wrong type"},
      {File(R"({"t":{"dtype":"F32","shape":[[1]],"data_offsets":[0,4]}})", four), "tensor 't': the value of 'shape'"},
      {File(R"({"t":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}})", four), "tensor 't': the value of 'shape'"},
      {File(R"({"t":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", four),
       "tensor 't': the number -1 is negative"},
      {File(R"({"t":{"dtype":"F32","shape":[18446744073709551615],"data_offsets":[0,4]}})", four), "63 bits"},
      {File(R"({"t":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1}})", four), "unknown key 'x'"},
      {File(R"({"t":{"dtype":"F32","shape":[1]}})", four), "tensor 't': needs dtype, shape and data_offsets"},
      {File(R"({"t":{"dtype":"F32","shape":[1],"data_offsets":[0]}})", four), "data_offsets needs two numbers"},
      {File(R"({"t":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"t":{}})", four), "the key 't' occurs twice"},
      {File(R"({"t":{"dtype":"F32","dtype":"F32"}})", four), "the key 'dtype' occurs twice"},
      {File(R"({"__metadata__":{"a":1}})", ""), "the value of 'a' has the wrong type"},
      {OneTensor("C64", "[1]", four + four), "tensor 't': the dtype C64 is not supported; use F32, F16, BF16 or F64"},
      {OneTensor("I64", "[1]", four), "data_offsets hold 4 bytes, but I64 [1] needs 8"},
      {OneTensor("F32", "[4294967296,4294967296]", four), "the shape [4294967296, 4294967296] is too large"},
      {OneTensor("F32", "[2]", four), "data_offsets hold 4 bytes, but F32 [2] needs 8"},
      {File(R"({"t":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", four),
       "[0, 8] lie outside the 4 bytes of data"},
      {File(R"({"t":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})", four), "[4, 0] lie outside"},
      {OneTensor("F32", "[1]", four) + "x", "1 bytes belong to no tensor"},
      {File(
           R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}})",
           four + four + four),
       "tensor 'b': begins at byte 124, after a hole (byte 120 is next)"},
      {File(
           R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
           four + four),
       "tensor 'b': begins at byte 119, within the tensor before"},
      {File(std::string(100000, '['), ""), "must be a JSON object"},
  };
  for (const auto& test : cases) {
    const absl::Status status = OpenBytes(test.bytes).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << test.message;
    EXPECT_THAT(std::string(status.message()), HasSubstr(test.message));
    EXPECT_THAT(std::string(status.message()), HasSubstr(path_));
  }
  EXPECT_EQ(Safetensors::Open(folder_ / "none").status().code(), absl::StatusCode::kNotFound);
}

// Every single-byte change of a small file is either refused or leaves a file that reads within its bounds.
TEST_F(SafetensorsTest, SurvivesEveryFlippedByte) {
  const std::vector<Tensor> tensors = {{"a", {2}, {1, 2}}, {"b", {1, 2}, {3, 4}}};
  ASSERT_TRUE(WriteSafetensors(path_, SourcesOf(tensors), {{"format", "pt"}}).ok());
  const std::string good = ReadBytes(path_);
  int refused = 0;
  for (size_t i = 0; i < good.size(); ++i) {
    for (int bit : {0x01, 0x10, 0x80}) {
      std::string bytes = good;
      bytes[i] = static_cast<char>(bytes[i] ^ bit);
      auto file = OpenBytes(bytes);
      if (file.ok()) {
        for (const Tensor& tensor : file->LoadAll()) EXPECT_LE(tensor.values.size(), 4u);
      } else {
        ++refused;
      }
    }
  }
  EXPECT_GT(refused, 100);
}

}  // namespace
}  // namespace traind::core
