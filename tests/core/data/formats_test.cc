// Datasets from CIFAR batches, images and CSV: every number and every class name as the files say.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "core/data/dataset_dir.h"
#include "core/data/describe_dataset.h"
#include "core/data/image.h"
#include "google/protobuf/text_format.h"
#include "tests/support/file_formats.h"
#include "tests/support/image_bytes.h"
#include "tests/support/temporary_folder.h"

namespace traind::core {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class FormatsTest : public ::testing::Test {
 protected:
  void Write(const std::string& name, const std::string& bytes) {
    const std::filesystem::path path = folder_ / name;
    std::filesystem::create_directories(path.parent_path());
    WriteBytes(path, bytes);
  }
  v1::Dataset Import(const std::string& splits) {
    v1::ImportDatasetRequest request;
    request.set_dataset_id("d");
    EXPECT_TRUE(google::protobuf::TextFormat::MergeFromString(splits, &request));
    ImportOptions options;
    options.resolve = [&](const v1::DataFile& file) -> absl::StatusOr<std::string> { return folder_ / file.path(); };
    options.dir = out_ / "d";
    auto dataset = ImportDataset(request, options);
    EXPECT_TRUE(dataset.ok()) << dataset.status();
    return dataset.ok() ? *dataset : v1::Dataset();
  }
  Split Open(const std::string& name) {
    auto split = OpenSplit(out_ / "d", name);
    EXPECT_TRUE(split.ok()) << split.status();
    EXPECT_TRUE(split->Verify().ok());
    return *std::move(split);
  }
  v1::DatasetDescription Describe() {
    auto description = DescribeDataset(out_ / "d", [](int64_t, int64_t) {});
    EXPECT_TRUE(description.ok()) << description.status();
    return description.ok() ? *description : v1::DatasetDescription();
  }

  TemporaryFolder folder_{TemporaryFolder::Place::kMemory};
  TemporaryFolder out_{TemporaryFolder::Place::kMemory};
};

TEST_F(FormatsTest, CifarBatchesAreAppended) {
  Write("1", Cifar10({3, 0}));
  Write("2", Gzip(Cifar10({9})));
  const v1::Dataset dataset =
      Import("splits { name: 'train' format: FORMAT_CIFAR10 examples { path: '1' } more_examples { path: '2' } }");
  EXPECT_THAT(dataset.example_shape(), ElementsAre(3, 32, 32));
  EXPECT_EQ(dataset.num_classes(), 10);
  ASSERT_EQ(dataset.class_names_size(), 10);
  EXPECT_EQ(dataset.class_names(3), "cat");
  const Split split = Open("train");
  EXPECT_THAT(split.labels(), ElementsAre(3, 0, 9));
  const std::string stored(reinterpret_cast<const char*>(split.uint8_examples()), 3 * 3072);
  EXPECT_EQ(stored, Cifar10({3}).substr(1) + Cifar10({0}).substr(1) + Cifar10({9}).substr(1));
}

TEST_F(FormatsTest, OfCifar100TheFineLabelsCount) {
  Write("x", "\x05\x63" + std::string(3072, 'p') + std::string("\x01\x00", 2) + std::string(3072, 'q'));
  const v1::Dataset dataset = Import("splits { name: 'test' format: FORMAT_CIFAR100 examples { path: 'x' } }");
  EXPECT_EQ(dataset.num_classes(), 100);
  EXPECT_EQ(dataset.class_names(99), "worm");
  EXPECT_TRUE(std::is_sorted(dataset.class_names().begin(), dataset.class_names().end()));
  const Split split = Open("test");
  EXPECT_THAT(split.labels(), ElementsAre(99, 0));
  EXPECT_EQ(split.uint8_examples()[0], 'p');
  EXPECT_EQ(split.uint8_examples()[3072], 'q');
}

TEST_F(FormatsTest, FoldersGiveClassesInTheOrderOfTheirNames) {
  Write("train/dog/a.png", SolidPng(6, 6, 10, 20, 30));
  Write("train/cat/b.png", SolidPng(6, 6, 40, 50, 60));
  Write("train/cat/.hidden", "no image");
  Write("test/dog/c.png", SolidPng(6, 6, 70, 80, 90));
  const v1::Dataset dataset = Import(
      "splits { name: 'train' format: FORMAT_IMAGES examples { path: 'train' } images { height: 2 width: 2 } }"
      "splits { name: 'test' format: FORMAT_IMAGES examples { path: 'test' } images { height: 2 width: 2 } }");
  EXPECT_THAT(dataset.class_names(), ElementsAre("cat", "dog"));
  EXPECT_EQ(dataset.num_classes(), 2);
  const Split train = Open("train");
  EXPECT_THAT(train.labels(), ElementsAre(0, 1));
  EXPECT_THAT(
      std::vector<int>(train.uint8_examples(), train.uint8_examples() + 24),
      ElementsAre(40, 40, 40, 40, 50, 50, 50, 50, 60, 60, 60, 60, 10, 10, 10, 10, 20, 20, 20, 20, 30, 30, 30, 30));
  EXPECT_THAT(Open("test").labels(), ElementsAre(1));
}

TEST_F(FormatsTest, TarArchivesAreKnownByTheirFirstBytes) {
  const std::string deep = "photos/cat/" + std::string(80, 'n') + ".png";
  const std::string pax_path = "photos/dog/1.png";
  const std::string pax = absl::StrCat("25 path=", pax_path, "\n");
  ASSERT_EQ(pax.size(), 25u);
  const std::string long_name = "photos/ant/" + std::string(200, 'm') + ".png";
  const std::string tar = TarMember("photos/", "", '5') + TarMember("photos/cat/", "", '5') +
                          TarMember(deep, SolidPng(4, 4, 1, 2, 3)) + TarMember("PaxHeader", pax, 'x') +
                          TarMember("short", SolidPng(4, 4, 4, 5, 6)) + TarMember("././@LongLink", long_name, 'L') +
                          TarMember("short", SolidPng(4, 4, 7, 8, 9)) + TarEnd();
  for (const std::string& bytes : {tar, Gzip(tar)}) {
    std::filesystem::remove_all(out_ / "d");
    Write("x", bytes);
    const v1::Dataset dataset = Import("splits { name: 'train' examples { path: 'x' } images { height: 4 width: 4 } }");
    EXPECT_THAT(dataset.class_names(), ElementsAre("ant", "cat", "dog"));
    const Split split = Open("train");
    EXPECT_THAT(split.labels(), ElementsAre(1, 2, 0));
    EXPECT_EQ(split.uint8_examples()[0], 1);
    EXPECT_EQ(split.uint8_examples()[48], 4);
  }
}

TEST_F(FormatsTest, CsvWithNamesQuotesAndPickedColumns) {
  Write("train", "\xef\xbb\xbf\"id\",\"a, b\",c,kind\r\n1,0.5,-2,\"re\"\"d\"\r\n\r\n2,1e3,4,blue\r\n");
  Write("test", "c,id,kind,\"a, b\"\n7,9,blue,8");
  const std::string options = "csv { label_column: 'kind' feature_columns: ['a, b', 'c'] }";
  const v1::Dataset dataset =
      Import(absl::StrCat("splits { name: 'train' format: FORMAT_CSV examples { path: 'train' } ", options,
                          " } splits { name: 'test' format: FORMAT_CSV examples { path: 'test' } ", options, " }"));
  EXPECT_THAT(dataset.class_names(), ElementsAre("blue", "re\"d"));
  EXPECT_THAT(dataset.example_shape(), ElementsAre(2));
  const Split train = Open("train");
  EXPECT_THAT(train.labels(), ElementsAre(1, 0));
  EXPECT_THAT(std::vector<float>(train.float_examples(), train.float_examples() + 4), ElementsAre(0.5f, -2, 1000, 4));
  const Split test = Open("test");
  EXPECT_THAT(test.labels(), ElementsAre(0));
  EXPECT_THAT(std::vector<float>(test.float_examples(), test.float_examples() + 2), ElementsAre(8, 7));
}

TEST_F(FormatsTest, CsvWithTargetsAndWithIntegers) {
  Write("x", "a,u,v\n1,2,3\n4,5,6\n");
  EXPECT_EQ(
      Import("splits { name: 'train' format: FORMAT_CSV examples { path: 'x' } csv { target_columns: ['v', 'u'] } }")
          .target_width(),
      2);
  EXPECT_THAT(Open("train").targets(), ElementsAre(3, 2, 6, 5));
  std::filesystem::remove_all(out_ / "d");
  const v1::Dataset dataset =
      Import("splits { name: 'train' format: FORMAT_CSV examples { path: 'x' } csv { label_column: 'v' } }");
  EXPECT_EQ(dataset.num_classes(), 7);
  EXPECT_EQ(dataset.class_names_size(), 0);
  EXPECT_THAT(Open("train").labels(), ElementsAre(3, 6));
}

std::vector<int> Pixels(const std::string& bytes) {
  auto image = DecodeImage("x", bytes);
  EXPECT_TRUE(image.ok()) << image.status();
  return image.ok() ? std::vector<int>(image->rgb.begin(), image->rgb.end()) : std::vector<int>();
}

TEST(DecodeImageTest, KnowsEveryKindOfPng) {
  EXPECT_THAT(Pixels(Png(2, 1, 8, 2, "abcdef")), ElementsAre('a', 'b', 'c', 'd', 'e', 'f'));
  EXPECT_THAT(Pixels(Png(2, 1, 8, 0, "ab")), ElementsAre('a', 'a', 'a', 'b', 'b', 'b'));
  EXPECT_THAT(Pixels(Png(2, 1, 1, 0, "\x40")), ElementsAre(0, 0, 0, 255, 255, 255));
  EXPECT_THAT(Pixels(Png(1, 1, 16, 0, std::string("\x80\x00", 2))), ElementsAre(128, 128, 128));
  EXPECT_THAT(Pixels(Png(2, 1, 8, 3, std::string("\1\0", 2), PngChunk("PLTE", "abcdef"))),
              ElementsAre('d', 'e', 'f', 'a', 'b', 'c'));
  // Half transparent black on white; transparent by a palette.
  EXPECT_THAT(Pixels(Png(1, 1, 8, 6, std::string("\0\0\0\x80", 4))), ElementsAre(127, 127, 127));
  EXPECT_THAT(Pixels(Png(1, 1, 8, 4, std::string("\x10\0", 2))), ElementsAre(255, 255, 255));
  EXPECT_THAT(
      Pixels(Png(1, 1, 8, 3, std::string(1, '\0'), PngChunk("PLTE", "abc") + PngChunk("tRNS", std::string(1, '\0')))),
      ElementsAre(255, 255, 255));
}

TEST(DecodeImageTest, KnowsEveryKindOfJpeg) {
  std::string flat;
  for (int i = 0; i < 64; ++i) flat += {static_cast<char>(200), 100, 50};
  for (const bool progressive : {false, true}) {
    const std::vector<int> pixels = Pixels(Jpeg(8, 8, 3, flat, progressive));
    ASSERT_EQ(pixels.size(), 192u);
    for (size_t i = 0; i < pixels.size(); ++i) {
      EXPECT_NEAR(pixels[i], static_cast<unsigned char>(flat[i]), 2) << i;
    }
  }
  EXPECT_THAT(Pixels(Jpeg(8, 8, 1, std::string(64, 77))), ::testing::Each(77));
  std::string inks;  // Inverted, as Adobe has them: 255 is no ink.
  for (int i = 0; i < 64; ++i) inks += {static_cast<char>(255), static_cast<char>(128), 0, static_cast<char>(255)};
  const std::vector<int> pixels = Pixels(Jpeg(8, 8, 4, inks));
  EXPECT_NEAR(pixels[0], 255, 2);
  EXPECT_NEAR(pixels[1], 128, 2);
  EXPECT_NEAR(pixels[2], 0, 2);
}

// The same filter, written as one double sum over all pixels.
double Reference(const Image& image, int64_t height, int64_t width, int64_t y, int64_t x, int64_t c) {
  const double scale = std::min(static_cast<double>(image.height) / static_cast<double>(height),
                                static_cast<double>(image.width) / static_cast<double>(width));
  const double radius = std::max(1.0, scale);
  const double top = 0.5 * static_cast<double>(image.height) +
                     (static_cast<double>(y) + 0.5 - 0.5 * static_cast<double>(height)) * scale;
  const double left = 0.5 * static_cast<double>(image.width) +
                      (static_cast<double>(x) + 0.5 - 0.5 * static_cast<double>(width)) * scale;
  double sum = 0;
  double weights = 0;
  for (int64_t i = 0; i < image.height; ++i) {
    for (int64_t j = 0; j < image.width; ++j) {
      const double weight = std::max(0.0, radius - std::abs(static_cast<double>(i) + 0.5 - top)) *
                            std::max(0.0, radius - std::abs(static_cast<double>(j) + 0.5 - left));
      weights += weight;
      sum += weight * image.rgb[static_cast<size_t>((i * image.width + j) * 3 + c)];
    }
  }
  return sum / weights;
}

TEST(ResizeAndCropTest, IsTheTriangleFilterOfTheCentre) {
  std::mt19937 random(1);
  const std::vector<std::pair<int64_t, int64_t>> sizes = {{9, 9}, {20, 13}, {7, 31}, {3, 2}, {1, 1}, {40, 40}};
  for (const auto& [height, width] : sizes) {
    Image image{.height = height, .width = width, .rgb = std::vector<uint8_t>(static_cast<size_t>(height * width * 3))};
    for (uint8_t& value : image.rgb) value = static_cast<uint8_t>(random());
    for (const auto& [h, w] : std::vector<std::pair<int64_t, int64_t>>{{9, 9}, {5, 8}, {12, 4}}) {
      const std::vector<uint8_t> color = ResizeAndCrop(image, h, w, false);
      const std::vector<uint8_t> gray = ResizeAndCrop(image, h, w, true);
      ASSERT_EQ(color.size(), static_cast<size_t>(3 * h * w));
      ASSERT_EQ(gray.size(), static_cast<size_t>(h * w));
      for (int64_t p = 0; p < h * w; ++p) {
        double rgb[3];
        for (int64_t c = 0; c < 3; ++c) {
          rgb[c] = Reference(image, h, w, p / w, p % w, c);
          EXPECT_NEAR(color[static_cast<size_t>(c * h * w + p)], rgb[c], 0.502);
        }
        EXPECT_NEAR(gray[static_cast<size_t>(p)], 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2], 0.502);
      }
      if (height != h || width != w) continue;
      for (int64_t i = 0; i < h * w * 3; ++i) {
        EXPECT_EQ(color[static_cast<size_t>(i % 3 * h * w + i / 3)], image.rgb[static_cast<size_t>(i)]);
      }
    }
  }
}

TEST_F(FormatsTest, DescribeCountsMeasuresAndWarns) {
  Write("train/cat/1.png", SolidPng(1, 1, 0, 100, 7));
  Write("train/cat/2.png", SolidPng(1, 1, 10, 100, 7));
  Write("train/cat/3.png", SolidPng(1, 1, 0, 100, 7));
  Write("train/cat/4.png", SolidPng(1, 1, 30, 100, 7));
  Write("train/dog/1.png", SolidPng(1, 1, 40, 100, 7));
  Write("test/dog/1.png", SolidPng(1, 1, 30, 100, 7));
  Write("test/dog/2.png", SolidPng(1, 1, 31, 100, 7));
  const std::string options = "format: FORMAT_IMAGES images { height: 1 width: 1 }";
  Import(absl::StrCat("splits { name: 'train' examples { path: 'train' } ", options,
                      " } splits { name: 'test' examples { path: 'test' } ", options, " }"));
  const v1::DatasetDescription description = Describe();
  ASSERT_EQ(description.splits_size(), 2);
  const v1::SplitDescription& train = description.splits(0);
  EXPECT_EQ(train.num_examples(), 5);
  EXPECT_THAT(train.class_counts(), ElementsAre(4, 1));
  ASSERT_EQ(train.mean_size(), 3);
  EXPECT_DOUBLE_EQ(train.mean(0), 16);
  EXPECT_NEAR(train.std(0), std::sqrt((256.0 + 36 + 256 + 196 + 576) / 5), 1e-12);
  EXPECT_DOUBLE_EQ(train.mean(1), 100);
  EXPECT_DOUBLE_EQ(train.std(1), 0);
  EXPECT_EQ(train.min(), 0);
  EXPECT_EQ(train.max(), 100);
  EXPECT_EQ(train.duplicates(), 1);
  EXPECT_EQ(train.shared_with_first(), 0);
  EXPECT_THAT(description.splits(1).class_counts(), ElementsAre(0, 2));
  EXPECT_EQ(description.splits(1).duplicates(), 0);
  EXPECT_EQ(description.splits(1).shared_with_first(), 1);
  const std::vector<std::string> warnings(description.warnings().begin(), description.warnings().end());
  EXPECT_THAT(warnings,
              ::testing::IsSupersetOf({HasSubstr("train: classes out of balance: 4 examples of cat, 1 of dog"),
                                       HasSubstr("train: not zero-mean: the mean of channel 0 is 16"),
                                       HasSubstr("train: 2 of 3 features are constant"),
                                       HasSubstr("train: 1 of 5 examples repeat an earlier one"),
                                       HasSubstr("test: no example of 1 of 2 classes: cat"),
                                       HasSubstr("test: 1 of 2 examples are in train, too")}));
}

TEST_F(FormatsTest, DescribeOfFloatsIsExactAndQuietAboutGoodData) {
  Write("x", "a,b,y\n-1,10,0\n1,-10,1\n-1,10.5,1\n1,-10.5,0\n");
  Import("splits { name: 'train' format: FORMAT_CSV examples { path: 'x' } csv { label_column: 'y' } }");
  const v1::DatasetDescription description = Describe();
  EXPECT_THAT(description.splits(0).mean(), ElementsAre(0, 0));
  EXPECT_DOUBLE_EQ(description.splits(0).std(0), 1);
  EXPECT_NEAR(description.splits(0).std(1), std::sqrt((100 + 110.25) / 2), 1e-12);
  EXPECT_EQ(description.splits(0).min(), -10.5);
  EXPECT_EQ(description.warnings_size(), 0) << description.ShortDebugString();
  EXPECT_EQ(description.dataset().name(), "datasets/d");
}

TEST_F(FormatsTest, DescribeCallsFeaturesByTheirColumns) {
  Write("x", "age,height,unit,y\n30,180,1,0\n31,170,1,1\n32,160,1,0\n");
  Import("splits { name: 'train' format: FORMAT_CSV examples { path: 'x' } csv { label_column: 'y' } }");
  const v1::DatasetDescription description = Describe();
  const std::vector<std::string> warnings(description.warnings().begin(), description.warnings().end());
  EXPECT_THAT(warnings,
              ::testing::IsSupersetOf({HasSubstr("not zero-mean: the mean of 'age' is 31"),
                                       HasSubstr("1 of 3 features are constant: the same in every example: 'unit'")}));
}

}  // namespace
}  // namespace traind::core
