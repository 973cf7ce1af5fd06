// Datasets from folders and archives of images as they are found: turned by EXIF, with what operating systems leave
// behind, packed by GNU tar and Python's zipfile, with files that are damaged.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "core/data/archive.h"
#include "core/data/image.h"
#include "core/data/image_source.h"
#include "tests/core/data/import_run.h"
#include "tests/support/image_bytes.h"

namespace traind::core {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string Images(const std::string& split, const std::string& path) {
  return absl::StrCat("splits { name: '", split,
                      "' format: FORMAT_IMAGES images { height: 4 width: 4 } examples { path: '", path, "' } } ");
}

std::string FileBytes(const std::string& name) {
  auto bytes = ReadFile(SourcePath("tests/core/data/files/") + name, 1 << 20);
  EXPECT_TRUE(bytes.ok()) << bytes.status();
  return bytes.ok() ? *bytes : "";
}

// The picture of files/make.py, without regard to what JPEG loses.
char ColorAt(const Image& image, int64_t y, int64_t x) {
  const uint8_t* rgb = image.rgb.data() + (y * image.width + x) * 3;
  const auto near = [&](int r, int g, int b) {
    return std::abs(rgb[0] - r) < 30 && std::abs(rgb[1] - g) < 30 && std::abs(rgb[2] - b) < 30;
  };
  if (near(255, 0, 0)) return 'r';
  if (near(0, 255, 0)) return 'g';
  if (near(0, 0, 255)) return 'b';
  return near(255, 255, 255) ? 'w' : '?';
}

TEST(ExifTest, EveryOrientationGivesTheUprightPicture) {
  for (const std::string name : {"1.jpg", "2.jpg", "3.jpg", "4.jpg", "5.jpg", "6.jpg", "7.jpg", "8.jpg", "6.png"}) {
    auto image = DecodeImage(name, FileBytes("oriented-" + name));
    ASSERT_TRUE(image.ok()) << image.status();
    EXPECT_EQ(image->turned, name != "1.jpg");
    ASSERT_EQ(image->height, 16) << name;
    ASSERT_EQ(image->width, 24) << name;
    for (int64_t y : {2, 13}) {
      std::string row;
      for (int64_t x : {3, 12, 20}) row += ColorAt(*image, y, x);
      EXPECT_EQ(row, y < 8 ? "rgg" : "rbw") << name;
    }
  }
}

TEST(ExifTest, DamagedOnesAreAsIfThereWereNone) {
  std::mt19937 random(3);
  const std::string jpeg = FileBytes("oriented-6.jpg");
  const size_t at = jpeg.find("Exif") + 6;
  const std::string tiff = jpeg.substr(at, 60);
  EXPECT_EQ(ExifOrientation(tiff), 6);
  for (size_t size = 0; size < 20; ++size) EXPECT_EQ(ExifOrientation(tiff.substr(0, size)), 1) << size;
  for (int i = 0; i < 2000; ++i) {
    std::string damaged = tiff;
    for (int flips = 0; flips < 3; ++flips) damaged[random() % damaged.size()] = static_cast<char>(random());
    const int orientation = ExifOrientation(damaged);
    EXPECT_TRUE(orientation >= 1 && orientation <= 8);
  }
}

TEST(ImageImportTest, TurnedImagesAreSaid) {
  ImportRun run;
  run.Write("x/cat/1.jpg", FileBytes("oriented-1.jpg"));
  run.Write("x/cat/8.jpg", FileBytes("oriented-8.jpg"));
  const v1::Dataset dataset = run.Import(Images("train", "x"));
  EXPECT_THAT(NotesOf(dataset), ElementsAre("train: images turned upright by their EXIF orientation: 1"));
  const std::vector<int> bytes = run.Bytes("train");
  for (size_t i = 0; i < 48; ++i) EXPECT_NEAR(bytes[i], bytes[48 + i], 12) << i;
}

class ArchiveTest : public ::testing::TestWithParam<const char*> {};

TEST_P(ArchiveTest, OfEveryKindIsRead) {
  ImportRun run;
  const v1::Dataset dataset = run.Import(Images("train", absl::StrCat("files/", GetParam())));
  EXPECT_THAT(dataset.class_names(), ElementsAre("cat", "dog"));
  // The hard link has the content of the cat, and its own class.
  std::vector<std::pair<int, int>> found;
  const std::vector<int> bytes = run.Bytes("train");
  const std::vector<int32_t> labels = run.Labels("train");
  ASSERT_EQ(labels.size(), 3u);
  for (size_t i = 0; i < labels.size(); ++i) found.emplace_back(labels[i], bytes[i * 48]);
  EXPECT_THAT(found, ::testing::UnorderedElementsAre(std::pair(0, 10), std::pair(1, 10), std::pair(1, 40)));
}

INSTANTIATE_TEST_SUITE_P(Kinds, ArchiveTest,
                         ::testing::Values("v7.tar", "ustar.tar", "gnu.tar", "pax.tar", "pets.tar.gz", "pets.tar.xz",
                                           "pets.tar.bz2", "pets.tar.zst", "pets.zip"));

// A part of an archive never passes for a whole one, and no damage does worse than an error.
TEST_P(ArchiveTest, DamagedIsRefusedOrRead) {
  const std::string whole = FileBytes(GetParam());
  ImportRun run;
  const bool plain = std::string(GetParam()).ends_with(".tar");
  for (size_t size = 1; size < whole.size(); size += std::max<size_t>(whole.size() / 40, 1)) {
    run.Write("x", whole.substr(0, size));
    // Of a plain tar's end mark a part is enough.
    if (!plain || size + 1024 < whole.size()) {
      EXPECT_FALSE(run.Try(Images("train", "x")).ok()) << size;
    }
  }
  std::mt19937 random(7);
  for (int i = 0; i < 60; ++i) {
    std::string damaged = whole;
    for (int flips = 0; flips < 2; ++flips) damaged[random() % damaged.size()] ^= static_cast<char>(1 << random() % 8);
    run.Write("x", damaged);
    const auto dataset = run.Try(Images("train", "x"));
    if (dataset.ok()) continue;
    EXPECT_EQ(dataset.status().code(), absl::StatusCode::kInvalidArgument) << dataset.status();
  }
}

TEST(ImageImportTest, ArchivesAreKnownByTheirFirstBytes) {
  for (const char* name :
       {"v7.tar", "pax.tar", "pets.tar.gz", "pets.tar.xz", "pets.tar.bz2", "pets.tar.zst", "pets.zip"}) {
    ImportRun run;
    EXPECT_EQ(run.Import(absl::StrCat("splits { name: 'train' images { height: 2 width: 2 } examples { path: 'files/",
                                      name, "' } }"))
                  .num_classes(),
              2);
  }
}

TEST(ImageImportTest, HiddenAndSystemFilesArePassedOverAlike) {
  ImportRun run;
  const v1::Dataset zip = run.Import(Images("train", "files/pets.zip"));
  EXPECT_THAT(NotesOf(zip), ElementsAre(AllOf(HasSubstr("hidden and system files passed over: 5 ("),
                                              HasSubstr("__MACOSX/pets/cat/._1.png"))));
  const std::vector<std::string> names = {"cat/1.png",         "cat/._1.png",     "cat/Thumbs.db",
                                          "dog/2.png",         "dog/desktop.ini", ".ipynb_checkpoints/1.png",
                                          "__MACOSX/cat/1.png"};
  std::string tar;
  for (const std::string& name : names) {
    const bool image = name == "cat/1.png" || name == "dog/2.png";
    run.Write("folder/" + name, image ? SolidPng(4, 4, 1, 2, 3) : "no image");
    tar += TarMember(name, image ? SolidPng(4, 4, 1, 2, 3) : "no image");
  }
  run.Write("x.tar", tar + TarEnd());
  for (const char* path : {"folder", "x.tar"}) {
    const v1::Dataset dataset = run.Import(Images("train", path));
    EXPECT_THAT(dataset.class_names(), ElementsAre("cat", "dog")) << path;
    EXPECT_EQ(dataset.splits(0).num_examples(), 2) << path;
    ASSERT_EQ(dataset.notes_size(), 1);
    EXPECT_THAT(dataset.notes(0), HasSubstr("passed over: 5")) << path;
  }
}

// Bytes between the segments change no pixel; an image that ends too early is damaged.
TEST(ImageImportTest, StrayBytesOfAJpegAreSaid) {
  std::string gray(16 * 16, '\0');
  for (size_t i = 0; i < gray.size(); ++i) gray[i] = static_cast<char>(i * 7);
  const std::string good = Jpeg(16, 16, 1, gray);
  const size_t table = good.find("\xff\xdb");
  const std::string stray = good.substr(0, table) + std::string("\x01\x02\x03\x04", 4) + good.substr(table);
  auto expected = DecodeImage("good", good);
  auto image = DecodeImage("stray", stray);
  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_EQ(image->rgb, expected->rgb);
  EXPECT_THAT(image->warning, HasSubstr("4 extraneous bytes"));
  EXPECT_FALSE(DecodeImage("cut", good.substr(0, good.size() - 20)).ok());
  ImportRun run;
  run.Write("x/cat/1.jpg", stray);
  EXPECT_THAT(NotesOf(run.Import(Images("train", "x"))),
              ElementsAre(AllOf(HasSubstr("1, first x: cat/1.jpg"), HasSubstr("extraneous"))));
}

TEST(ImageImportTest, AllBadFilesAreNamedAtOnce) {
  ImportRun run;
  run.Write("x/cat/1.png", SolidPng(4, 4, 1, 2, 3));
  run.Write("x/cat/2.png", "GIF89a");
  run.Write("x/cat/3.png", "");
  run.Write("x/notes.txt", "about cats");
  run.Write("y/cat/4.png", SolidPng(4, 4, 1, 2, 3).substr(0, 40));
  const absl::Status status = run.Try(Images("train", "x") + Images("test", "y")).status();
  EXPECT_THAT(Violations(status), ElementsAre(HasSubstr("splits[0].examples: x: notes.txt: not in a class folder"),
                                              HasSubstr("splits[0].examples: x: cat/2.png, byte 0: the first bytes"),
                                              HasSubstr("splits[0].examples: x: cat/3.png: the file is empty"),
                                              HasSubstr("skip_bad_files: leaves out"),
                                              HasSubstr("splits[1].examples: y: cat/4.png, byte 40")));
  for (int i = 0; i < 150; ++i) run.Write(absl::StrCat("z/cat/", i), "no image");
  const std::vector<std::string> many = Violations(run.Try(Images("train", "z")).status());
  ASSERT_EQ(many.size(), 102u);
  EXPECT_EQ(many[100], "splits[0].examples: and 50 bad files more");
}

TEST(ImageImportTest, BadFilesAreLeftOutWhenAsked) {
  ImportRun run;
  const std::string good = SolidPng(4, 4, 1, 2, 3);
  run.Write("x/cat/1.png", good);
  run.Write("x/cat/2.png", "GIF89a");
  run.Write("x/dog/3.png", SolidPng(4, 4, 9, 2, 3));
  run.Write("x/notes.txt", "about cats");
  run.Write("y.tar", TarMember("cat/1.png", good) + TarMember("cat/l.png", "", '2', "/etc/passwd") + TarEnd());
  const v1::Dataset dataset = run.Import("skip_bad_files: true " + Images("train", "x") + Images("test", "y.tar"));
  EXPECT_EQ(dataset.num_skipped_files(), 3);
  ASSERT_EQ(dataset.skipped_files_size(), 3);
  EXPECT_EQ(dataset.skipped_files(0).file(), "x: notes.txt");
  EXPECT_EQ(dataset.skipped_files(1).file(), "x: cat/2.png");
  EXPECT_THAT(dataset.skipped_files(1).reason(), HasSubstr("the first bytes are those of neither"));
  EXPECT_EQ(dataset.skipped_files(2).split(), "test");
  EXPECT_THAT(dataset.skipped_files(2).reason(), HasSubstr("a symbolic link"));
  EXPECT_THAT(run.Labels("train"), ElementsAre(0, 1));
  EXPECT_EQ(run.Bytes("train")[48], 9);

  run.Write("z/cat/1.png", good);
  run.Write("z/dog/2.png", "GIF89a");
  EXPECT_THAT(std::string(run.Try("skip_bad_files: true " + Images("train", "z")).status().message()),
              HasSubstr("none of the files of class 'dog' can be read"));
  run.Write("w/cat/sub/1.png", good);
  run.Write("w/cat/1.png", good);
  EXPECT_THAT(std::string(run.Try("skip_bad_files: true " + Images("train", "w")).status().message()),
              HasSubstr("cat/sub: a folder in a class folder"));
}

TEST(ImageImportTest, MessagesNameThePersonsFile) {
  ImportRun run;
  run.Write("crc-1-size-2", "a,y\n1,0\nred,1\n");
  const absl::Status status = run.Try(
                                     "splits { name: 'train' format: FORMAT_CSV csv { label_column: 'y' } "
                                     "examples { path: 'crc-1-size-2' display_name: 'my/iris.csv' } }")
                                  .status();
  EXPECT_THAT(Violations(status), ElementsAre(HasSubstr("splits[0].examples: my/iris.csv, line 3: column 'a': 'red'")));
}

TEST(ImageImportTest, ALinkToALinkAndALinkToNothing) {
  ImportRun run;
  run.Write("x.tar", TarMember("cat/1.png", SolidPng(4, 4, 5, 2, 3)) + TarMember("dog/2.png", "", '1', "cat/1.png") +
                         TarMember("dog/3.png", "", '1', "dog/2.png") + TarEnd());
  run.Import(Images("train", "x.tar"));
  EXPECT_THAT(run.Labels("train"), ElementsAre(0, 1, 1));
  run.Write("y.tar",
            TarMember("cat/1.png", "", '1', "cat/2.png") + TarMember("cat/2.png", "", '1', "cat/1.png") + TarEnd());
  EXPECT_THAT(Violations(run.Try(Images("train", "y.tar")).status())[0], HasSubstr("which is no file of the archive"));
}

}  // namespace
}  // namespace traind::core
