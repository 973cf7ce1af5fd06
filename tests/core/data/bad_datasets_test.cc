// The corpus of bad dataset files: each must be refused with exactly this code, field and place, and leave nothing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "core/base/errors.h"
#include "core/data/dataset_dir.h"
#include "tests/support/file_formats.h"
#include "tests/support/temporary_folder.h"

namespace traind::core {
namespace {

struct BadDataset {
  std::string name;
  std::string examples;  // Bytes of splits[0].examples.
  std::string labels;    // Bytes of splits[0].labels; "-": the field is absent.
  std::string field;     // Of the only violation.
  std::string message;   // What it says, after the path of the file ("x" or "y" here).
};

void PrintTo(const BadDataset& dataset, std::ostream* out) { *out << dataset.name; }

std::string GoodX() { return Npy("<f4", "(2, 2)", RawBytes<float>({1, 2, 3, 4})); }
std::string GoodY() { return Npy("|u1", "(2,)", RawBytes<uint8_t>({0, 1})); }
std::string FloatX(const std::vector<float>& values) { return Npy("<f4", "(2, 2)", RawBytes(values)); }
std::string Header(const std::string& dictionary) { return NpyWithHeader(dictionary, "abcd"); }
// Good arrays in a zip, one of them changed.
std::string BadZip(ZipMember y) {
  y.name = "y.npy";
  y.data = GoodY();
  return Zip({{.name = "x.npy", .data = GoodX()}, y});
}
std::string Replaced(std::string bytes, size_t at, char c) {
  bytes[at] = c;
  return bytes;
}

std::vector<BadDataset> Corpus() {
  const std::string x = "splits[0].examples";
  const std::string y = "splits[0].labels";
  const std::string idx = Idx(0x08, {2, 3}, "abcdef");
  const std::string gz = Gzip(idx);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  return {
      {"Empty", "", GoodY(), x, "x, byte 0: the file is empty"},
      {"Text", "1,2,3\n", GoodY(), x, "x, byte 0: the first bytes are not those of an IDX, NPY or NPZ file"},
      {"OneByte", std::string(1, '\0'), GoodY(), x, "x, byte 0: the first bytes are not those"},

      {"IdxMagicCut", std::string("\0\0\x08", 3), GoodY(), x, "x, byte 3: ends in the middle of the header"},
      {"IdxDimensionsCut", idx.substr(0, 9), GoodY(), x, "x, byte 9: ends in the middle of the header"},
      {"IdxUnknownType", Replaced(idx, 2, 0x0A), GoodY(), x, "x, byte 2: 0x0a is not a type of the IDX format"},
      {"IdxNoDimensions", Replaced(idx, 3, 0), GoodY(), x, "x, byte 3: 0 dimensions; 1 to 4 are supported"},
      {"IdxManyDimensions", Replaced(idx, 3, 5), GoodY(), x, "x, byte 3: 5 dimensions; 1 to 4 are supported"},
      {"IdxDataCut", idx.substr(0, 17), GoodY(), x,
       "x, byte 17: the shape [2, 3] of uint8 needs 6 bytes after the header, but there are 5"},
      {"IdxDataLeft", idx + "g", GoodY(), x,
       "x, byte 18: the shape [2, 3] of uint8 needs 6 bytes after the header, but there are 7"},
      {"IdxHuge", Idx(0x08, {0xffffffff, 0xffffffff, 0xffffffff}, ""), GoodY(), x,
       "x, byte 0: the shape [4294967295, 4294967295, 4294967295] is too large"},
      {"IdxTrillion", Idx(0x0E, {1000000, 1000000}, "abc"), GoodY(), x,
       "x, byte 15: the shape [1000000, 1000000] of float64 needs 8000000000000 bytes"},

      {"GzipHeaderCut", gz.substr(0, 5), GoodY(), x, "x, byte 5: the compressed data ends too early"},
      {"GzipCut", gz.substr(0, gz.size() - 9), GoodY(), x, "the compressed data ends too early"},
      {"GzipWrongCrc", Replaced(gz, gz.size() - 8, static_cast<char>(gz[gz.size() - 8] ^ 1)), GoodY(), x,
       "the compressed data is damaged: incorrect data check"},
      {"GzipWrongMethod", Replaced(gz, 2, 7), GoodY(), x, "the compressed data is damaged: unknown compression method"},
      {"GzipBytesLeft", gz + "tail", GoodY(), x,
       absl::StrCat("x, byte ", gz.size(), ": bytes follow the compressed data")},
      {"GzipShorterThanHeader", Gzip(idx.substr(0, 17)), GoodY(), x,
       "x, byte 17: the data ends before the array of shape [2, 3] is complete"},
      {"GzipLongerThanHeader", Gzip(idx + std::string(1 << 20, '\0')), GoodY(), x,
       "x, byte 18: bytes follow the array of shape [2, 3]"},
      {"GzipOfNothing", Gzip(""), GoodY(), x, "x, byte 0: the first bytes are not those"},

      {"NpyMagicCut", std::string("\x93NUMPY\x01", 7), GoodY(), x, "x, byte 7: ends in the middle of the header"},
      {"NpyVersion", Replaced(GoodX(), 6, 9), GoodY(), x, "x, byte 6: version 9 of the NPY format is not known"},
      {"NpyHeaderCut", GoodX().substr(0, 40), GoodY(), x, "x, byte 40: ends in the middle of the header"},
      {"NpyHugeHeader", std::string("\x93NUMPY\x02\x00", 8) + "\xff\xff\xff\xff", GoodY(), x,
       "x, byte 8: a header of 4294967295 bytes; at most 65536"},
      {"NpyObjects", Header("{'descr': '|O', 'fortran_order': False, 'shape': (1, 1)}"), GoodY(), x,
       "x, byte 20: the type '|O' is not read; it holds Python objects"},
      {"NpyStructured", Header("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1, 1)}"), GoodY(), x,
       "x, byte 20: structured arrays are not read"},
      {"NpyNegative", Header("{'descr': '|u1', 'fortran_order': False, 'shape': (-4, 1)}"), GoodY(), x,
       "x, byte 61: expected a dimension"},
      {"NpyOverflow", Header("{'descr': '|u1', 'fortran_order': False, 'shape': (99999999999999999999,)}"), GoodY(), x,
       "x, byte 61: expected a dimension that fits 63 bits"},
      {"NpyTooLarge", Header("{'descr': '|u1', 'fortran_order': False, 'shape': (4294967296, 4294967296)}"), GoodY(), x,
       "x, byte 0: the shape [4294967296, 4294967296] is too large"},
      {"NpyFiveDimensions", Header("{'descr': '|u1', 'fortran_order': False, 'shape': (1, 1, 1, 1, 4)}"), GoodY(), x,
       "x, byte 74: more than 4 dimensions are not supported"},
      {"NpyNoShape", Header("{'descr': '|u1', 'fortran_order': False}"), GoodY(), x,
       "x, byte 50: needs the keys descr, fortran_order and shape"},
      {"NpyTwoShapes", Header("{'shape': (4,), 'shape': (4,)}"), GoodY(), x, "x, byte 34: unexpected key 'shape'"},
      {"NpyCode", Header("__import__('os').system('true')"), GoodY(), x, "x, byte 10: expected '{'"},
      {"NpyUnended", Header("{'descr"), GoodY(), x, "x, byte 11: the string does not end"},
      {"NpyDataCut", GoodX().substr(0, GoodX().size() - 1), GoodY(), x,
       "needs 16 bytes after the header, but there are 15"},

      {"ZipCut", BadZip({}).substr(0, 100), "-", x,
       "x, byte 100: the zip's central directory is missing: the file is not complete"},
      {"ZipWrongCrc", BadZip({.wrong_crc = true}), "-", x, "x: y.npy, byte 70: the CRC is"},
      {"ZipWrongCrcStored", BadZip({.deflated = false, .wrong_crc = true}), "-", x, "x: y.npy, byte 70: the CRC is"},
      {"ZipSizeTooSmall", BadZip({.size = 69}), "-", x,
       "x: y.npy, byte 69: the shape [2] of uint8 needs 2 bytes after the header, but there are 1"},
      {"ZipSizeTooLarge", BadZip({.size = 1 << 30}), "-", x,
       "x: y.npy, byte 70: the shape [2] of uint8 needs 2 bytes after the header, but there are"},
      {"ZipMethod", BadZip({.method = 12}), "-", x,
       "y is compressed with method 12; only stored and deflated members are supported"},
      {"ZipEncrypted", BadZip({.flags = 1}), "-", x, "y is encrypted"},
      {"ZipWithoutLabels", Zip({{.name = "x.npy", .data = GoodX()}}), "-", x, " or targets; the file holds: x"},
      {"ZipEmpty", Zip({}), "-", x, " or examples; the file holds: nothing"},
      {"ZipDirectoryPastTheEnd", Replaced(BadZip({}), BadZip({}).size() - 3, 0x7f), "-", x,
       "the central directory lies past the end of the file"},
      {"ZipEntryPastTheEnd",
       Replaced(Zip({{.name = "x.npy", .data = GoodX()}}),
                Zip({{.name = "x.npy", .data = GoodX()}}).size() - 22 - 5 - 2, 0x7f),
       "-", x, "entry 0 lies past the end of the file"},

      {"ExamplesOfOneDimension", Npy("<f4", "(2,)", RawBytes<float>({1, 2})), GoodY(), x,
       "x: the shape [2] is not [N, features]"},
      {"NoExamples", Npy("<f4", "(0, 2)", ""), Npy("|u1", "(0,)", ""), x, "x: holds no examples"},
      {"EmptyExamples", Npy("<f4", "(2, 0)", ""), GoodY(), x,
       "x: an example of shape [0] must have 1 to 16777216 numbers"},
      {"Nan", FloatX({1, 2, nan, 4}), GoodY(), x, "x, byte 78: number 2 (example 1) is NaN"},
      {"Infinite", FloatX({1, infinity, 3, 4}), GoodY(), x, "x, byte 74: number 1 (example 0) is infinite in float32"},
      {"TooLargeForFloat32", Npy("<f8", "(2, 1)", RawBytes<double>({1, 1e300})), GoodY(), x,
       "x, byte 78: number 1 (example 1) is infinite in float32"},

      {"NoLabels", GoodX(), "-", y, "required, unless the examples are in an NPZ that holds the labels too"},
      {"FewerLabels", GoodX(), Npy("|u1", "(1,)", "\x01"), y, "y: 1 labels for 2 examples"},
      {"LabelsOfThreeDimensions", GoodX(), Npy("|u1", "(2, 1, 1)", RawBytes<uint8_t>({0, 1})), y,
       "y: integer labels must have the shape [N] or [N, 1], or be one-hot rows [N, classes], not [2, 1, 1]"},
      {"TargetsOfThreeDimensions", GoodX(), Npy("<f4", "(2, 1, 1)", RawBytes<float>({0, 1})), y,
       "y: float targets must have the shape [N] or [N, outputs], not [2, 1, 1]"},
      {"NegativeLabel", GoodX(), Npy("<i4", "(2,)", RawBytes<int32_t>({0, -1})), y,
       "y, byte 72: label -1 of example 1 is not in [0, 1000000)"},
      {"LabelTooLarge", GoodX(), Npy("<i8", "(2,)", RawBytes<int64_t>({1000000, 0})), y,
       "y, byte 68: label 1000000 of example 0 is not in [0, 1000000)"},
      {"LabelPast63Bits", GoodX(), Npy("<u8", "(2,)", RawBytes<uint64_t>({0, ~uint64_t{0}})), y,
       "y, byte 76: label 18446744073709551615 of example 1 is not in [0, 1000000)"},
      {"NanTarget", GoodX(), Npy("<f4", "(2, 2)", RawBytes<float>({0, 1, 2, nan})), y,
       "y, byte 82: number 3 (example 1) is NaN"},
  };
}

class BadDatasetsTest : public ::testing::TestWithParam<BadDataset> {};

TEST_P(BadDatasetsTest, IsRefusedWithItsPlace) {
  const BadDataset& bad = GetParam();
  TemporaryFolder folder;
  WriteBytes(folder / "x", bad.examples);
  v1::ImportDatasetRequest request;
  request.set_dataset_id("bad");
  v1::SplitSource* split = request.add_splits();
  split->set_name("train");
  split->mutable_examples()->set_path("x");
  if (bad.labels != "-") {
    WriteBytes(folder / "y", bad.labels);
    split->mutable_labels()->set_path("y");
  }
  ImportOptions options;
  options.resolve = [&](const v1::DataFile& file) -> absl::StatusOr<std::string> { return folder / file.path(); };
  options.dir = folder / "bad";
  const absl::Status status = ImportDataset(request, options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  rpc::BadRequest violations;
  const auto payload = status.GetPayload({kBadRequestUrl.data(), kBadRequestUrl.size()});
  ASSERT_TRUE(payload.has_value());
  ASSERT_TRUE(violations.ParseFromString(std::string(*payload)));
  ASSERT_EQ(violations.field_violations_size(), 1) << status;
  EXPECT_EQ(violations.field_violations(0).field(), bad.field);
  const std::string said =
      absl::StrReplaceAll(violations.field_violations(0).description(), {{folder.path() + "/", ""}});
  EXPECT_THAT(said, ::testing::HasSubstr(bad.message));
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    EXPECT_TRUE(entry.is_regular_file()) << entry.path() << " was left behind";
  }
}

INSTANTIATE_TEST_SUITE_P(Corpus, BadDatasetsTest, ::testing::ValuesIn(Corpus()),
                         [](const auto& instance) { return instance.param.name; });

class BadRequestTest : public ::testing::Test {
 protected:
  BadRequestTest() {
    WriteBytes(folder_ / "x", GoodX());
    WriteBytes(folder_ / "y", GoodY());
    options_.resolve = [this](const v1::DataFile& file) -> absl::StatusOr<std::string> {
      if (file.path() == "outside") return absl::PermissionDeniedError("outside the dataset root");
      return folder_ / file.path();
    };
    options_.dir = folder_ / "bad";
    request_.set_dataset_id("bad");
    Add("train", "x", "y");
  }
  void Add(const std::string& name, const std::string& examples, const std::string& labels) {
    v1::SplitSource* split = request_.add_splits();
    split->set_name(name);
    split->mutable_examples()->set_path(examples);
    split->mutable_labels()->set_path(labels);
  }
  void Expect(absl::StatusCode code, const std::string& message) {
    const absl::Status status = ImportDataset(request_, options_).status();
    EXPECT_EQ(status.code(), code) << status;
    EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr(message));
    EXPECT_FALSE(std::filesystem::exists(options_.dir));
  }

  TemporaryFolder folder_;
  ImportOptions options_;
  v1::ImportDatasetRequest request_;
};

TEST_F(BadRequestTest, NamesEveryFieldAtOnce) {
  request_.mutable_splits(0)->set_name("../up");
  request_.mutable_splits(0)->clear_examples();
  Add("a", "x", "y");
  Add("a", "x", "y");
  request_.mutable_splits(2)->mutable_labels()->Clear();
  Expect(absl::StatusCode::kInvalidArgument,
         "splits[0].name: must match [a-z0-9_-]{1,32}\nsplits[0].examples: required\n"
         "splits[2].name: used by an earlier split\nsplits[2].labels: needs a path or an upload");
}

TEST_F(BadRequestTest, NeedsASplit) {
  request_.clear_splits();
  Expect(absl::StatusCode::kInvalidArgument, "splits: at least one split is required");
}

TEST_F(BadRequestTest, AMissingFileIsNotFound) {
  Add("test", "none", "y");
  Expect(absl::StatusCode::kNotFound, "cannot open none");
}

TEST_F(BadRequestTest, TheResolversErrorIsPassedOn) {
  Add("test", "x", "outside");
  Expect(absl::StatusCode::kPermissionDenied, "outside the dataset root");
}

TEST_F(BadRequestTest, AFolderIsNoFile) {
  std::filesystem::create_directory(folder_ / "folder");
  Add("test", "folder", "y");
  Expect(absl::StatusCode::kInvalidArgument, "splits[1].examples: folder is a folder");
}

TEST_F(BadRequestTest, SplitsMustLookAlike) {
  WriteBytes(folder_ / "wide", Npy("<f4", "(2, 3)", RawBytes<float>({1, 2, 3, 4, 5, 6})));
  WriteBytes(folder_ / "bytes", Npy("|u1", "(2, 2)", "abcd"));
  WriteBytes(folder_ / "targets", Npy("<f4", "(2,)", RawBytes<float>({1, 2})));
  WriteBytes(folder_ / "x2", GoodX());
  Add("wide", "wide", "y");
  Add("bytes", "bytes", "y");
  Add("targets", "x2", "targets");
  Expect(absl::StatusCode::kInvalidArgument,
         "splits[1].examples: examples of shape [3], but split 'train' has [2]\n"
         "splits[2].examples: examples of type UINT8, but split 'train' has FLOAT32\n"
         "splits[3].labels: float targets of width 1, but split 'train' has integer labels");
}

TEST_F(BadRequestTest, ClassNamesMustFit) {
  request_.add_class_names("one");
  Expect(absl::StatusCode::kInvalidArgument, "class_names: 1 names for 2 classes");
}

TEST_F(BadRequestTest, TheSizeIsLimitedBeforeAnythingIsUnpacked) {
  options_.max_bytes = 23;
  Expect(absl::StatusCode::kResourceExhausted, "the dataset needs 24 bytes; at most 23");
  options_.max_bytes = 24;
  EXPECT_TRUE(ImportDataset(request_, options_).ok());
}

}  // namespace
}  // namespace traind::core
