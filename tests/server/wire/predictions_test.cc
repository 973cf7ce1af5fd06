#include "server/wire/predictions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tests/support/temporary_folder.h"

namespace traind::server {
namespace {

class PredictionsTest : public ::testing::Test {
 protected:
  // Examples `first` on of a split, with two outputs each.
  static v1::PredictResponse Part(int first, int examples) {
    v1::PredictResponse part;
    part.add_shape(examples);
    part.add_shape(2);
    part.set_first(100 + first);
    for (int i = first; i < first + examples; ++i) {
      for (int k = 0; k < 2; ++k) part.add_outputs(static_cast<float>(10 * i + k));
      part.add_labels(i);
      part.add_classes(i % 2);
    }
    return part;
  }
  // Ten examples, in parts of four.
  void Write() {
    auto writer = PredictionsWriter::Create(path_);
    ASSERT_TRUE(writer.ok()) << writer.status();
    for (const auto& part : {Part(0, 4), Part(4, 4), Part(8, 2)}) ASSERT_TRUE(writer->Append(part).ok());
    EXPECT_FALSE(std::filesystem::exists(path_)) << "it is not whole yet";
    auto size = writer->Finish();
    ASSERT_TRUE(size.ok()) << size.status();
    EXPECT_EQ(static_cast<uintmax_t>(*size), std::filesystem::file_size(path_));
  }

  TemporaryFolder folder_;
  const std::string path_ = folder_ / "predictions";
};

TEST_F(PredictionsTest, AreReadFromAnyExampleOn) {
  Write();
  for (int first = 0; first <= 10; ++first) {
    auto reader = PredictionsReader::Open(path_, first);
    ASSERT_TRUE(reader.ok()) << reader.status();
    std::vector<int64_t> labels;
    v1::PredictResponse part;
    while (reader->Next(part).value_or(false)) {
      EXPECT_EQ(part.first(), 100 + first + static_cast<int>(labels.size()));
      EXPECT_EQ(part.shape(0), part.labels_size());
      EXPECT_EQ(part.shape(0), part.classes_size());
      ASSERT_EQ(part.outputs_size(), 2 * part.labels_size());
      EXPECT_EQ(part.spread_size(), 0);
      for (int i = 0; i < part.labels_size(); ++i) {
        EXPECT_EQ(part.outputs(2 * i + 1), static_cast<float>(10 * part.labels(i) + 1));
      }
      labels.insert(labels.end(), part.labels().begin(), part.labels().end());
    }
    std::vector<int64_t> expected;
    for (int i = first; i < 10; ++i) expected.push_back(i);
    EXPECT_EQ(labels, expected);
  }
}

TEST_F(PredictionsTest, AFullDiskIsSaidSo) {
  auto writer = PredictionsWriter::Create(path_);
  ASSERT_TRUE(writer.ok()) << writer.status();
  core::SetFileFaultForTest(
      [](absl::string_view operation, const std::string&) { return operation == "write" ? ENOSPC : 0; });
  const absl::Status full = writer->Append(Part(0, 4));
  core::SetFileFaultForTest(nullptr);
  EXPECT_TRUE(absl::IsResourceExhausted(full)) << full;
  EXPECT_THAT(std::string(full.message()), ::testing::HasSubstr("No space left on device"));
}

TEST_F(PredictionsTest, OfADamagedFileAreDataLoss) {
  Write();
  std::filesystem::resize_file(path_, std::filesystem::file_size(path_) - 1);
  auto reader = PredictionsReader::Open(path_, 8);
  ASSERT_TRUE(reader.ok()) << reader.status();
  v1::PredictResponse part;
  EXPECT_TRUE(absl::IsDataLoss(reader->Next(part).status()));
  std::ofstream(path_) << std::string("\x02\0\0\0??", 6);
  EXPECT_TRUE(absl::IsDataLoss(PredictionsReader::Open(path_, 0).status()));
  EXPECT_TRUE(absl::IsNotFound(PredictionsReader::Open(folder_ / "none", 0).status()));
}

}  // namespace
}  // namespace traind::server
