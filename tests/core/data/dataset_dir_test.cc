#include "core/data/dataset_dir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/support/file_formats.h"
#include "tests/support/temporary_folder.h"

namespace traind::core {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class DatasetDirTest : public ::testing::Test {
 protected:
  DatasetDirTest() {
    options_.resolve = [this](const v1::DataFile& file) -> absl::StatusOr<std::string> {
      return folder_ / file.path();
    };
    options_.dir = folder_ / "set";
  }

  v1::SplitSource* AddSplit(const std::string& name, const std::string& examples, const std::string& labels) {
    request_.set_dataset_id("set");
    v1::SplitSource* split = request_.add_splits();
    split->set_name(name);
    WriteBytes(folder_ / (name + ".x"), examples);
    split->mutable_examples()->set_path(name + ".x");
    if (!labels.empty()) {
      WriteBytes(folder_ / (name + ".y"), labels);
      split->mutable_labels()->set_path(name + ".y");
    }
    return split;
  }
  absl::StatusOr<v1::Dataset> Import() { return ImportDataset(request_, options_); }
  Split Open(const std::string& name) {
    auto split = OpenSplit(options_.dir, name);
    EXPECT_TRUE(split.ok()) << split.status();
    return split.ok() ? *std::move(split) : Split();
  }
  static std::vector<float> Floats(const Split& split) {
    return {split.float_examples(), split.float_examples() + split.size() * split.example_elements()};
  }
  static std::vector<int> Bytes(const Split& split) {
    return {split.uint8_examples(), split.uint8_examples() + split.size() * split.example_elements()};
  }
  // Names that the test did not write itself.
  std::vector<std::string> Leftovers() {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
      if (entry.is_directory()) names.push_back(entry.path().filename().string());
    }
    return names;
  }

  TemporaryFolder folder_;
  ImportOptions options_;
  v1::ImportDatasetRequest request_;
};

TEST_F(DatasetDirTest, ImportsIdxImagesAsOneChannel) {
  AddSplit("train", Idx(0x08, {2, 2, 3}, RawBytes<uint8_t>({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 255})),
           Idx(0x08, {2}, RawBytes<uint8_t>({1, 0})));
  auto dataset = Import();
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_EQ(dataset->name(), "datasets/set");
  EXPECT_THAT(dataset->example_shape(), ElementsAre(1, 2, 3));
  EXPECT_EQ(dataset->element_type(), v1::ELEMENT_TYPE_UINT8);
  EXPECT_EQ(dataset->num_classes(), 2);
  EXPECT_EQ(dataset->splits(0).num_examples(), 2);
  const Split split = Open("train");
  EXPECT_THAT(Bytes(split), ElementsAre(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 255));
  EXPECT_THAT(split.labels(), ElementsAre(1, 0));
  EXPECT_TRUE(split.targets().empty());
  EXPECT_EQ(reinterpret_cast<uintptr_t>(split.uint8_examples()) % 64, 0u);
  EXPECT_TRUE(split.Verify().ok());
  EXPECT_THAT(Leftovers(), ElementsAre("set"));
}

// As version 0.1.0 wrote it.
TEST_F(DatasetDirTest, ADatasetOfAnOlderVersionIsRead) {
  std::filesystem::create_directory(options_.dir);
  WriteBytes(options_.dir + "/dataset.json", R"({
 "name": "datasets/digits",
 "splits": [
  {
   "name": "train",
   "num_examples": "60000",
   "checksum": "crc32:0a1b2c3d"
  }
 ],
 "example_shape": [
  "1",
  "28",
  "28"
 ],
 "element_type": "UINT8",
 "num_classes": "10",
 "create_time": "2024-05-06T07:08:09Z",
 "size_bytes": "47280192"
}
)");
  const auto dataset = LoadDataset(options_.dir);
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_EQ(dataset->element_type(), v1::ELEMENT_TYPE_UINT8);
  EXPECT_EQ(dataset->splits(0).num_examples(), 60000);
  EXPECT_THAT(dataset->example_shape(), ElementsAre(1, 28, 28));
  EXPECT_EQ(dataset->create_time().seconds(), 1714979289);
  EXPECT_EQ(dataset->update_time().seconds(), 1714979289);
  EXPECT_EQ(dataset->uid().size(), 36u);
  EXPECT_EQ(LoadDataset(options_.dir)->uid(), dataset->uid()) << "each time the same";
}

TEST_F(DatasetDirTest, KeepsItsIdentityAndWhatMayChange) {
  AddSplit("train", Npy("|u1", "(1, 1)", "a"), Npy("|u1", "(1,)", std::string(1, '\0')));
  (*request_.mutable_labels())["team"] = "vision";
  options_.uid = "a uid";
  ASSERT_TRUE(Import().ok());
  auto dataset = LoadDataset(options_.dir);
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_EQ(dataset->uid(), "a uid");
  EXPECT_EQ(dataset->labels().at("team"), "vision");
  EXPECT_EQ(dataset->update_time().seconds(), dataset->create_time().seconds());
  dataset->mutable_labels()->clear();
  dataset->mutable_update_time()->set_seconds(7);
  dataset->set_etag("no part of what is stored");
  ASSERT_TRUE(SaveDataset(*dataset, options_.dir).ok());
  const auto changed = LoadDataset(options_.dir);
  ASSERT_TRUE(changed.ok()) << changed.status();
  EXPECT_TRUE(changed->labels().empty());
  EXPECT_EQ(changed->update_time().seconds(), 7);
  EXPECT_EQ(changed->uid(), "a uid");
  EXPECT_EQ(changed->etag(), "");
  EXPECT_TRUE(Open("train").Verify().ok());
}

TEST_F(DatasetDirTest, RefusesLabelsAndNamesThatAreTooMuch) {
  (*request_.mutable_labels())["No Key"] = "";
  AddSplit("train", Npy("|u1", "(1, 1)", "a"), Npy("|u1", "(1,)", std::string(1, '\0')));
  EXPECT_THAT(std::string(Import().status().message()), HasSubstr("labels: the key \"No Key\""));
  request_.mutable_labels()->clear();
  request_.add_class_names(std::string(size_t{4} << 20, 'x'));
  const absl::Status status = Import().status();
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("class_names: with 1 names the dataset's description takes 4096 KiB"));
  EXPECT_THAT(Leftovers(), ElementsAre());
}

TEST_F(DatasetDirTest, ImportsGzippedBigEndianFloats) {
  // 1.5f is 0x3fc00000, -2.0f is 0xc0000000.
  AddSplit("train", Gzip(Idx(0x0D, {1, 2}, std::string("\x3f\xc0\0\0\xc0\0\0\0", 8))),
           Gzip(Idx(0x0C, {1}, std::string("\0\0\x01\x02", 4))));
  ASSERT_TRUE(Import().ok());
  const Split split = Open("train");
  EXPECT_THAT(Floats(split), ElementsAre(1.5f, -2.0f));
  EXPECT_THAT(split.labels(), ElementsAre(258));
}

TEST_F(DatasetDirTest, ImportsGzipOfSeveralMembers) {
  const std::string idx = Idx(0x08, {2, 2}, RawBytes<uint8_t>({1, 2, 3, 4}));
  AddSplit("train", Gzip(idx.substr(0, 7)) + Gzip(idx.substr(7)), Idx(0x08, {2}, RawBytes<uint8_t>({0, 1})));
  ASSERT_TRUE(Import().ok());
  EXPECT_THAT(Bytes(Open("train")), ElementsAre(1, 2, 3, 4));
}

TEST_F(DatasetDirTest, ConvertsDoublesAndTargets) {
  AddSplit("train", Npy("<f8", "(2, 2)", RawBytes<double>({0.1, 1, 2, 3})),
           Npy("<f4", "(2,)", RawBytes<float>({5, 6})));
  auto dataset = Import();
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_EQ(dataset->num_classes(), 0);
  EXPECT_EQ(dataset->target_width(), 1);
  const Split split = Open("train");
  EXPECT_THAT(Floats(split), ElementsAre(0.1f, 1.0f, 2.0f, 3.0f));
  EXPECT_THAT(split.targets(), ElementsAre(5.0f, 6.0f));
  EXPECT_TRUE(split.labels().empty());
}

TEST_F(DatasetDirTest, ReadsEveryIntegerTypeOfLabels) {
  const std::string x = Npy("|u1", "(2, 1)", RawBytes<uint8_t>({0, 0}));
  AddSplit("i1", x, Npy("|i1", "(2,)", RawBytes<int8_t>({3, 100})));
  AddSplit("u1", x, Npy("|u1", "(2,)", RawBytes<uint8_t>({3, 200})));
  AddSplit("i2", x, Npy("<i2", "(2,)", RawBytes<int16_t>({3, 30000})));
  AddSplit("u2", x, Npy("<u2", "(2,)", RawBytes<uint16_t>({3, 60000})));
  AddSplit("i4", x, Npy("<i4", "(2,)", RawBytes<int32_t>({3, 70000})));
  AddSplit("u4", x, Npy("<u4", "(2,)", RawBytes<uint32_t>({3, 70001})));
  AddSplit("i8", x, Npy("<i8", "(2,)", RawBytes<int64_t>({3, 999999})));
  AddSplit("u8", x, Npy("<u8", "(2,)", RawBytes<uint64_t>({3, 70002})));
  AddSplit("big", x, Npy(">i4", "(2,)", std::string("\0\0\0\x03\0\x01\0\0", 8)));
  auto dataset = Import();
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_EQ(dataset->num_classes(), 1000000);
  EXPECT_THAT(Open("i1").labels(), ElementsAre(3, 100));
  EXPECT_THAT(Open("u1").labels(), ElementsAre(3, 200));
  EXPECT_THAT(Open("i2").labels(), ElementsAre(3, 30000));
  EXPECT_THAT(Open("u2").labels(), ElementsAre(3, 60000));
  EXPECT_THAT(Open("i4").labels(), ElementsAre(3, 70000));
  EXPECT_THAT(Open("u4").labels(), ElementsAre(3, 70001));
  EXPECT_THAT(Open("i8").labels(), ElementsAre(3, 999999));
  EXPECT_THAT(Open("u8").labels(), ElementsAre(3, 70002));
  EXPECT_THAT(Open("big").labels(), ElementsAre(3, 65536));
}

TEST_F(DatasetDirTest, MovesChannelsFirst) {
  // Two pixels of three channels.
  AddSplit("train", Npy("|u1", "(1, 1, 2, 3)", RawBytes<uint8_t>({1, 2, 3, 4, 5, 6})),
           Npy("|u1", "(1,)", RawBytes<uint8_t>({0})));
  auto dataset = Import();
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  // The second dimension may be channels too, so it is.
  EXPECT_THAT(dataset->example_shape(), ElementsAre(1, 2, 3));

  request_.Clear();
  options_.dir = folder_ / "second";
  AddSplit("train", Npy("<f4", "(1, 2, 2, 3)", RawBytes<float>({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12})),
           Npy("|u1", "(1,)", RawBytes<uint8_t>({0})));
  dataset = Import();
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_THAT(dataset->example_shape(), ElementsAre(3, 2, 2));
  EXPECT_THAT(Floats(Open("train")), ElementsAre(1, 4, 7, 10, 2, 5, 8, 11, 3, 6, 9, 12));
}

TEST_F(DatasetDirTest, ReadsNpzStoredDeflatedAndZip64) {
  const std::string x = Npy("<f4", "(2, 2)", RawBytes<float>({1, 2, 3, 4}));
  const std::string y = Npy("<i8", "(2,)", RawBytes<int64_t>({1, 0}));
  AddSplit("deflated", Zip({{.name = "x.npy", .data = x}, {.name = "y.npy", .data = y}}), "");
  AddSplit(
      "stored",
      Zip({{.name = "labels.npy", .data = y, .deflated = false}, {.name = "images.npy", .data = x, .deflated = false}}),
      "");
  v1::SplitSource* named =
      AddSplit("zip64", Zip({{.name = "a.npy", .data = x}, {.name = "b.npy", .data = y}}, /*zip64=*/true), "");
  named->set_examples_array("a");
  named->set_labels_array("b");
  auto dataset = Import();
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  for (const char* name : {"deflated", "stored", "zip64"}) {
    const Split split = Open(name);
    EXPECT_THAT(Floats(split), ElementsAre(1, 2, 3, 4)) << name;
    EXPECT_THAT(split.labels(), ElementsAre(1, 0)) << name;
  }
}

TEST_F(DatasetDirTest, ReadsNpyVersions2And3) {
  const std::string text = "{\"shape\": (1, 2), 'descr': '<f4', 'fortran_order': False}";
  const std::string y = Npy("|u1", "(1,)", RawBytes<uint8_t>({0}));
  for (int version : {2, 3}) {
    std::string file = std::string("\x93NUMPY", 6) + std::string{static_cast<char>(version), '\0'};
    AddSplit(version == 2 ? "two" : "three", file + LittleEndian(text.size(), 4) + text + RawBytes<float>({7, 8}), y);
  }
  auto dataset = Import();
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_THAT(Floats(Open("two")), ElementsAre(7, 8));
  EXPECT_THAT(Floats(Open("three")), ElementsAre(7, 8));
}

TEST_F(DatasetDirTest, ImportsFashionMnist) {
  const std::string source = "/usr/share/datasets/fashion-mnist/";
  if (!std::filesystem::exists(source)) GTEST_SKIP() << "dataset-fashion-mnist is not installed";
  options_.resolve = [&](const v1::DataFile& file) -> absl::StatusOr<std::string> { return source + file.path(); };
  request_.set_dataset_id("set");
  for (const auto& [name, prefix] : {std::pair("train", "train"), std::pair("test", "t10k")}) {
    v1::SplitSource* split = request_.add_splits();
    split->set_name(name);
    split->mutable_examples()->set_path(std::string(prefix) + "-images-idx3-ubyte.gz");
    split->mutable_labels()->set_path(std::string(prefix) + "-labels-idx1-ubyte.gz");
  }
  auto dataset = Import();
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_EQ(dataset->splits(0).num_examples(), 60000);
  EXPECT_EQ(dataset->splits(1).num_examples(), 10000);
  EXPECT_EQ(dataset->num_classes(), 10);
  const Split train = Open("train");
  std::vector<int> count(10);
  for (int32_t label : train.labels()) ++count[label];
  EXPECT_EQ(count, std::vector<int>(10, 6000));
  // The known mean of the training pixels: 0.2860 of 255 (recorded with numpy).
  double sum = 0;
  for (int64_t i = 0; i < 60000 * 784; ++i) sum += train.uint8_examples()[i];
  EXPECT_NEAR(sum / (60000.0 * 784.0) / 255, 0.2860, 5e-5);
}

TEST_F(DatasetDirTest, RefusesAnExistingDatasetAndKeepsIt) {
  AddSplit("train", Npy("|u1", "(1, 1)", "a"), Npy("|u1", "(1,)", std::string(1, '\0')));
  ASSERT_TRUE(Import().ok());
  EXPECT_EQ(Import().status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_TRUE(Open("train").Verify().ok());
}

TEST_F(DatasetDirTest, AFullDiskLeavesNothing) {
  AddSplit("train", Npy("|u1", "(1, 1)", "a"), Npy("|u1", "(1,)", std::string(1, '\0')));
  for (const char* operation : {"create", "write", "fsync", "rename"}) {
    static const char* failing;
    failing = operation;
    SetFileFaultForTest([](absl::string_view what, const std::string&) { return what == failing ? ENOSPC : 0; });
    auto dataset = Import();
    SetFileFaultForTest(nullptr);
    EXPECT_EQ(dataset.status().code(), absl::StatusCode::kResourceExhausted) << operation;
    EXPECT_THAT(Leftovers(), ElementsAre()) << operation;
  }
  EXPECT_TRUE(Import().ok());
}

TEST_F(DatasetDirTest, UnfinishedImportsAreRemoved) {
  std::filesystem::create_directories(folder_ / ".importing-other-1-0/deep");
  AddSplit("train", Npy("|u1", "(1, 1)", "a"), Npy("|u1", "(1,)", std::string(1, '\0')));
  ASSERT_TRUE(Import().ok());
  ASSERT_TRUE(RemoveUnfinishedImports(folder_.path()).ok());
  EXPECT_THAT(Leftovers(), ElementsAre("set"));
}

TEST_F(DatasetDirTest, LimitUsesTheFirstExamples) {
  AddSplit("train", Npy("|u1", "(3, 1)", "abc"), Npy("|u1", "(3,)", RawBytes<uint8_t>({2, 1, 0})));
  ASSERT_TRUE(Import().ok());
  Split split = Open("train");
  split.TakeFirst(0);
  EXPECT_EQ(split.size(), 3);
  split.TakeFirst(100);
  EXPECT_EQ(split.size(), 3);
  split.TakeFirst(2);
  EXPECT_THAT(split.labels(), ElementsAre(2, 1));
  EXPECT_TRUE(split.Verify().ok());
}

TEST_F(DatasetDirTest, AChangedByteIsNamedWithDatasetAndSplit) {
  AddSplit("train", Npy("|u1", "(3, 1)", "abc"), Npy("|u1", "(3,)", RawBytes<uint8_t>({2, 1, 0})));
  ASSERT_TRUE(Import().ok());
  for (const char* file : {"/train.examples.npy", "/train.labels.npy"}) {
    const std::string good = ReadBytes(options_.dir + file);
    std::string bad = good;
    bad[bad.size() - 4] = static_cast<char>(bad[bad.size() - 4] ^ 1);
    WriteBytes(options_.dir + file, bad);
    int reports = 0;
    const absl::Status status = Open("train").Verify([&] { ++reports; });
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << file;
    EXPECT_THAT(std::string(status.message()), HasSubstr("datasets/set, split \"train\": its files have changed"));
    EXPECT_EQ(reports, 2) << "one for each file, and more where they are large";
    WriteBytes(options_.dir + file, good);
  }
}

TEST_F(DatasetDirTest, RequireSplitListsThoseThereAre) {
  v1::Dataset dataset;
  dataset.set_name("datasets/d");
  for (const auto& [name, examples] : {std::pair{"a", 3}, std::pair{"b", 0}}) {
    dataset.add_splits()->set_name(name);
    dataset.mutable_splits()->rbegin()->set_num_examples(examples);
  }
  FieldErrors::Root errors;
  EXPECT_EQ(RequireSplit(dataset, "a", errors.scope("s")), &dataset.splits(0));
  EXPECT_TRUE(errors.ok());
  EXPECT_EQ(RequireSplit(dataset, "c", errors.scope("s")), nullptr);
  RequireSplit(dataset, "b", errors.scope("s"));
  EXPECT_THAT(std::string(errors.ToStatus().message()), HasSubstr("datasets/d has no split \"c\"; it has: a, b"));
  EXPECT_THAT(std::string(errors.ToStatus().message()), HasSubstr("\"b\" is empty"));
}

TEST_F(DatasetDirTest, DamageIsDataLoss) {
  AddSplit("train", Npy("|u1", "(3, 1)", "abc"), Npy("|u1", "(3,)", RawBytes<uint8_t>({2, 1, 0})));
  ASSERT_TRUE(Import().ok());
  EXPECT_EQ(OpenSplit(options_.dir, "test").status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(OpenSplit(options_.dir, "test").status().message(), HasSubstr("it has: train"));
  EXPECT_EQ(LoadDataset(folder_ / "none").status().code(), absl::StatusCode::kNotFound);

  auto expect_loss = [&](const std::string& file, const std::string& bytes, const std::string& message) {
    const std::string path = options_.dir + "/" + file;
    const std::string good = ReadBytes(path);
    WriteBytes(path, bytes);
    auto split = OpenSplit(options_.dir, "train");
    const absl::Status status = split.ok() ? split->Verify() : split.status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << file << ": " << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(message));
    WriteBytes(path, good);
  };
  const std::string examples = ReadBytes(options_.dir + "/train.examples.npy");
  expect_loss("train.examples.npy", examples.substr(0, examples.size() - 1), "130 bytes instead of 131");
  expect_loss("train.examples.npy", examples.substr(0, 5), "ends in the middle of the header");
  expect_loss("train.examples.npy", examples.substr(0, examples.size() - 1) + "d", "checksum");
  expect_loss("train.examples.npy", "", "ends in the middle of the header");
  expect_loss("train.examples.npy", Npy("|u1", "(3, 1)", "abc"), "");
  std::string labels = ReadBytes(options_.dir + "/train.labels.npy");
  labels.back() = '\x7f';
  expect_loss("train.labels.npy", labels, "label 2130706432 is not in [0, 3)");
  const std::string json = ReadBytes(options_.dir + "/dataset.json");
  expect_loss("dataset.json", json.substr(0, json.size() / 2), "dataset.json");
  expect_loss("dataset.json", "{}", "does not describe a dataset");
  EXPECT_TRUE(Open("train").Verify().ok());
}

}  // namespace
}  // namespace traind::core
