// The corpus of bad files of the formats CIFAR10, CIFAR100, IMAGES and CSV: each must be refused with exactly this
// code, field and place, and leave nothing. And damage done to good files at random never does worse than an error.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <map>
#include <ostream>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "core/base/errors.h"
#include "core/data/dataset_dir.h"
#include "core/data/image.h"
#include "google/protobuf/text_format.h"
#include "tests/support/file_formats.h"
#include "tests/support/image_bytes.h"
#include "tests/support/temporary_folder.h"

namespace traind::core {
namespace {

// Files by name; a name that ends in "/" is a folder.
using Files = std::map<std::string, std::string>;

struct BadImport {
  std::string name;
  Files files;
  std::string splits;   // Text of the request's splits.
  std::string field;    // Of the only violation.
  std::string message;  // Part of what it says, without the path of the files' folder.
};

void PrintTo(const BadImport& bad, std::ostream* out) { *out << bad.name; }

std::string Split(const std::string& format, const std::string& file, const std::string& more = "") {
  return absl::StrCat("splits { name: 'train' examples { path: '", file, "' } format: FORMAT_", format, " ", more,
                      " }");
}
std::string OnImages(const std::string& file) { return Split("IMAGES", file, "images { height: 4 width: 4 }"); }
std::string OnCsv() { return Split("CSV", "x", "csv { label_column: 'y' }"); }

std::string Dot() { return SolidPng(4, 4, 1, 2, 3); }
std::string Tar(const std::string& members) { return TarMember("cat/0.png", Dot()) + members + TarEnd(); }

Files One(const std::string& bytes) { return {{"x", bytes}}; }

std::string HugePng() {
  return std::string("\x89PNG\r\n\x1a\n", 8) +
         PngChunk("IHDR", BigEndian(100000) + BigEndian(100000) + std::string("\x08\x02\0\0\0", 5)) +
         PngChunk("IDAT", "x") + PngChunk("IEND", "");
}
std::string GoodJpeg() {
  std::string rgb;
  for (int i = 0; i < 32 * 32 * 3; ++i) rgb.push_back(static_cast<char>(i * 37 % 251));
  return Jpeg(32, 32, 3, rgb);
}
std::string Flipped(std::string bytes, size_t at) {
  bytes[at] = static_cast<char>(bytes[at] ^ 1);
  return bytes;
}

std::vector<BadImport> Corpus() {
  const std::string x = "splits[0].examples";
  const std::string cifar = Cifar10({1, 2, 3});
  const std::string csv = "a,b,y\n1,2,0\n3,4,1\n";
  return {
      {"CifarEmpty", One(""), Split("CIFAR10", "x"), x, "x, byte 0: the file is empty"},
      {"CifarCut", One(cifar.substr(0, 7000)), Split("CIFAR10", "x"), x,
       "x, byte 7000: ends in the middle of example 2; each has 3073 bytes"},
      {"CifarLabel", One(Cifar10({9, 10})), Split("CIFAR10", "x"), x,
       "x, byte 3073: label 10 of example 1 is not in [0, 10)"},
      {"Cifar100Label", One("\x01\x64" + std::string(3072, 'p')), Split("CIFAR100", "x"), x,
       "x, byte 1: label 100 of example 0 is not in [0, 100)"},
      {"CifarSecondFileCut",
       {{"x", cifar}, {"z", "ab"}},
       Split("CIFAR10", "x", "more_examples { path: 'z' }"),
       "splits[0].more_examples[0]",
       "z, byte 2: ends in the middle of example 0"},
      {"CifarNames", One(cifar), Split("CIFAR10", "x") + " class_names: 'a' class_names: 'b'", "class_names",
       "2 names for the 10 classes of CIFAR10"},
      {"CifarWithLabels", One(cifar), Split("CIFAR10", "x", "labels { path: 'x' }"), "splits[0].labels",
       "must be left out: CIFAR10 has labels inside"},
      {"ArraysWithMore", One(cifar), Split("ARRAYS", "x", "more_examples { path: 'x' }"), "splits[0].more_examples",
       "belongs to CIFAR10, CIFAR100, IMAGES and CSV"},
      {"CsvOptionsOfCifar", One(cifar), Split("CIFAR10", "x", "csv { label_column: 'y' }"), "splits[0].csv",
       "belongs to the format CSV"},

      {"ImageSizeMissing", One(Tar("")), Split("IMAGES", "x"), "splits[0].images.height", "required"},
      {"PngHuge",
       {{"x/cat/1.png", HugePng()}},
       OnImages("x"),
       x,
       "x: cat/1.png: the header announces 100000 x 100000 pixels; 1 to 67108864 are decoded"},
      {"PngCut",
       {{"x/cat/1.png", Dot().substr(0, Dot().size() - 20)}},
       OnImages("x"),
       x,
       absl::StrCat("x: cat/1.png, byte ", Dot().size() - 20, ": the file ends in the middle of the image")},
      {"PngChecksum", {{"x/cat/1.png", Flipped(Dot(), 50)}}, OnImages("x"), x, "x: cat/1.png, byte "},
      {"JpegCut",
       {{"x/cat/1.jpg", GoodJpeg().substr(0, GoodJpeg().size() / 2)}},
       OnImages("x"),
       x,
       "Premature end of JPEG file"},
      {"JpegHeaderOnly", {{"x/cat/1.jpg", GoodJpeg().substr(0, 20)}}, OnImages("x"), x, "x: cat/1.jpg, byte 20: "},
      {"NoImage",
       {{"x/cat/1.txt", "hello"}},
       OnImages("x"),
       x,
       "x: cat/1.txt, byte 0: the first bytes are those of neither a JPEG nor a PNG"},
      {"EmptyImage", {{"x/cat/1.png", ""}}, OnImages("x"), x, "x: cat/1.png: the file is empty"},
      {"FolderEmpty", {{"x/", ""}}, OnImages("x"), x, "x: the folder holds no class folders"},
      {"ClassFolderEmpty",
       {{"x/cat/1.png", Dot()}, {"x/dog/", ""}},
       OnImages("x"),
       x,
       "x: dog: the class folder holds no images"},
      {"FileOutsideClasses", {{"x/1.png", Dot()}}, OnImages("x"), x, "x: 1.png: not in a class folder"},
      {"FolderInClass", {{"x/cat/a/1.png", Dot()}}, OnImages("x"), x, "x: cat/a: a folder in a class folder"},
      {"NoTar", One("no tar at all"), OnImages("x"), x, "the archive is damaged: Unrecognized archive format"},
      {"TarUp", One(Tar(TarMember("cat/../../1.png", Dot()))), OnImages("x"), x, "'cat/../../1.png' has '..' in it"},
      {"TarAbsolute", One(Tar(TarMember("/etc/1.png", Dot()))), OnImages("x"), x, "'/etc/1.png' is an absolute path"},
      {"TarLink", One(Tar(TarMember("cat/1.png", "", '2', "/etc/passwd"))), OnImages("x"), x,
       "x: cat/1.png: a symbolic link; only files and folders are read"},
      {"TarHardLink", One(Tar(TarMember("cat/1.png", "", '1', "cat/2.png"))), OnImages("x"), x,
       "x: cat/1.png: a hard link to 'cat/2.png', which is no file of the archive"},
      {"TarDevice", One(Tar(TarMember("cat/1.png", "", '3'))), OnImages("x"), x, "x: cat/1.png: a device; only"},
      {"TarChecksum", One(Flipped(Tar(""), 3)), OnImages("x"), x, "the archive is damaged: "},
      {"TarCut", One(Tar("").substr(0, 600)), OnImages("x"), x, "the archive is damaged: "},
      {"TarWithoutEnd", One(TarMember("cat/0.png", Dot())), OnImages("x"), x,
       "the archive ends without its end mark: it is not complete"},
      {"TarHugeImage", One(TarMember("cat/0.png", "", '0', "", (1 << 26) + 1) + TarEnd()), OnImages("x"), x,
       "the archive is damaged: "},
      {"TarEmptyClass", One(Tar(TarMember("dog/", "", '5'))), OnImages("x"), x,
       "x: dog: the class folder holds no images"},
      {"TarWithoutImages", One(TarEnd()), OnImages("x"), x, "x: the archive holds no images"},
      {"TarOtherDepth", One(Tar(TarMember("more/cat/1.png", Dot()))), OnImages("x"), x,
       "x: more/cat/1.png: images are at <class>/<image> below '' here"},
      {"TarBadImage", One(Tar(TarMember("cat/1.png", "GIF89a"))), OnImages("x"), x,
       "x: cat/1.png, byte 0: the first bytes are those of neither"},
      {"TarGzipCut", One(Gzip(Tar("")).substr(0, 60)), OnImages("x"), x, "the compressed data ends too early"},
      {"ClassesDiffer",
       {{"x/cat/1.png", Dot()}, {"z/bird/1.png", Dot()}},
       OnImages("x") + absl::StrReplaceAll(OnImages("z"), {{"train", "test"}}),
       "splits[1].examples",
       "z: bird/1.png: the class 'bird' is not known; the classes are: cat"},
      {"ClassNotInNames",
       {{"x/cat/1.png", Dot()}},
       OnImages("x") + " class_names: 'dog'",
       x,
       "the class 'cat' is not known; the classes are: dog"},
      {"ClassNamesTwice",
       {{"x/cat/1.png", Dot()}},
       OnImages("x") + " class_names: 'cat' class_names: 'cat'",
       "class_names[1]",
       "the name of an earlier class"},

      {"CsvEmpty", One(""), OnCsv(), x, "x, line 1: the file is empty; a header line is required"},
      {"CsvNoRows", One("a,y\n"), OnCsv(), x, "x, line 1: a header without rows"},
      {"CsvShortRow", One("a,b,y\n1,2,0\n1,2\n"), OnCsv(), x, "x, line 3: 2 fields, but the header has 3"},
      {"CsvLongRow", One("a,y\n1,2,0\n"), OnCsv(), x, "x, line 2: more fields than the 2 of the header"},
      {"CsvText", One("a,y\n1,0\nred,1\n"), OnCsv(), x, "x, line 3: column 'a': 'red' is not a number"},
      {"CsvMissing", One("a,b,y\n1,,0\n"), OnCsv(), x, "x, line 2: column 'b': is empty; --missing drop"},
      {"CsvHuge", One("a,y\n1e400,0\n"), OnCsv(), x, "x, line 2: column 'a': '1e400' is not finite in float32"},
      {"CsvNan", One("a,y\nnan,0\n"), OnCsv(), x, "x, line 2: column 'a': 'nan' is no value; --missing drop"},
      {"CsvTwice", One("a,a,y\n1,2,0\n"), OnCsv(), x, "x, line 1: the header has the column 'a' twice"},
      {"CsvNameless", One("a,,y\n1,2,0\n"), OnCsv(), x, "x, line 1: column 2 of the header has no name"},
      {"CsvNul", One(std::string("a,y\n1\0,0\n", 9)), OnCsv(), x, "x, line 2: a NUL byte: this is no text"},
      {"CsvQuoteOpen", One("a,y\n1,\"0\n2,1\n"), OnCsv(), x, "x, line 2: the quote that opens here is not closed"},
      {"CsvQuoteInside", One("a,y\n1\"2,0\n"), OnCsv(), x, "x, line 2: a quote in the middle of a field"},
      {"CsvAfterQuote", One("a,y\n\"1\"2,0\n"), OnCsv(), x, "x, line 2: a quoted field that goes on after its quote"},
      {"CsvLongField", One("a,y\n" + std::string(70000, '1') + ",0\n"), OnCsv(), x,
       "x, line 2: a field of more than 65536 bytes"},
      {"CsvNoLabel", One("a,y\n1,\n"), OnCsv(), x, "x, line 2: column 'y': is empty; a label is required"},
      {"CsvNameNotUtf8", One("a,y\n1,\xe4\n"), OnCsv(), x, "the class '\\xe4' is not valid UTF-8"},
      {"CsvNoColumn", One("a,b\n1,2\n"), OnCsv(), "splits[0].csv.label_column",
       "x, line 1: no column 'y'; there are: a, b"},
      {"CsvNoOptions", One(csv), Split("CSV", "x"), "splits[0].csv.label_column", "either the column of the labels or"},
      {"CsvNoFeatures", One("y\n0\n"), OnCsv(), "splits[0].csv.feature_columns", "no column is left for the features"},
      {"CsvColumnTwice", One(csv), Split("CSV", "x", "csv { label_column: 'y' feature_columns: ['a', 'y'] }"),
       "splits[0].csv.feature_columns[1]", "the column 'y' is used already"},
      {"CsvOtherColumns",
       {{"x", csv}, {"z", "b,a,y\n1,2,0\n"}},
       OnCsv() + "splits { name: 'test' examples { path: 'z' } format: FORMAT_CSV csv { label_column: 'y' } }",
       "splits[1].examples",
       "z, line 1: feature column 1 is 'b', but in the first file it is 'a'"},
      {"CsvOtherClass",
       {{"x", "a,y\n1,red\n"}, {"z", "a,y\n1,blue\n"}},
       OnCsv() + "splits { name: 'test' examples { path: 'z' } format: FORMAT_CSV csv { label_column: 'y' } }",
       "splits[1].examples",
       "z, line 2: column 'y': the class 'blue' is not known; the classes are: red"},
      {"CsvNameAmongIntegers",
       {{"x", "a,y\n1,0\n"}, {"z", "a,y\n1,blue\n"}},
       OnCsv() + "splits { name: 'test' examples { path: 'z' } format: FORMAT_CSV csv { label_column: 'y' } }",
       "splits[1].examples",
       "z, line 2: column 'y': 'blue' is not an integer in [0, 1000000)"},
  };
}

class Import {
 public:
  explicit Import(const Files& files) {
    for (const auto& [name, bytes] : files) {
      const std::filesystem::path path = folder_ / name;
      std::filesystem::create_directories(path.parent_path());
      if (name.back() != '/') WriteBytes(path, bytes);
    }
  }
  absl::StatusOr<v1::Dataset> Run(const std::string& splits) {
    v1::ImportDatasetRequest request;
    request.set_dataset_id("d");
    EXPECT_TRUE(google::protobuf::TextFormat::MergeFromString(splits, &request));
    ImportOptions options;
    options.resolve = [&](const v1::DataFile& file) -> absl::StatusOr<std::string> { return folder_ / file.path(); };
    options.dir = out_ / "d";
    return ImportDataset(request, options);
  }
  const TemporaryFolder& folder() const { return folder_; }
  const TemporaryFolder& out() const { return out_; }

 private:
  TemporaryFolder folder_{TemporaryFolder::Place::kMemory};
  TemporaryFolder out_{TemporaryFolder::Place::kMemory};
};

class BadFormatsTest : public ::testing::TestWithParam<BadImport> {};

TEST_P(BadFormatsTest, IsRefusedWithItsPlace) {
  const BadImport& bad = GetParam();
  Import import(bad.files);
  const absl::Status status = import.Run(bad.splits).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  rpc::BadRequest violations;
  const auto payload = status.GetPayload({kBadRequestUrl.data(), kBadRequestUrl.size()});
  ASSERT_TRUE(payload.has_value()) << status;
  ASSERT_TRUE(violations.ParseFromString(std::string(*payload)));
  ASSERT_GE(violations.field_violations_size(), 1);
  EXPECT_EQ(violations.field_violations(0).field(), bad.field);
  const std::string said =
      absl::StrReplaceAll(violations.field_violations(0).description(), {{import.folder().path() + "/", ""}});
  EXPECT_THAT(said, ::testing::HasSubstr(bad.message));
  EXPECT_TRUE(std::filesystem::is_empty(import.out().path())) << "something was left behind";
}

INSTANTIATE_TEST_SUITE_P(Corpus, BadFormatsTest, ::testing::ValuesIn(Corpus()),
                         [](const auto& instance) { return instance.param.name; });

TEST(BadFormatsTest, ALinkInAFolderIsRefused) {
  Import import({{"x/cat/1.png", Dot()}, {"secret.png", Dot()}});
  std::filesystem::create_symlink(import.folder() / "secret.png", import.folder() / "x/cat/2.png");
  const absl::Status status = import.Run(OnImages("x")).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr("cat/2.png: a symbolic link"));
}

// Cuts the bytes, or flips a few bits of them, the same way every time.
std::string Damage(std::string bytes, std::mt19937& random) {
  if (random() % 3 == 0) return bytes.substr(0, random() % bytes.size());
  for (unsigned flips = 1 + random() % 4; flips > 0; --flips) {
    bytes[random() % bytes.size()] ^= static_cast<char>(1 << random() % 8);
  }
  return bytes;
}

TEST(DamagedFilesTest, NeverDoWorseThanAnError) {
  std::mt19937 random(5);
  std::string gray(16 * 16, '\0');
  for (char& c : gray) c = static_cast<char>(random());
  const std::string palette = PngChunk("PLTE", "abcdef") + PngChunk("tRNS", "\x80");
  const std::vector<std::string> images = {Dot(), GoodJpeg(), Jpeg(16, 16, 1, gray, /*progressive=*/true),
                                           Jpeg(8, 8, 4, gray),
                                           Png(4, 4, 1, 3, std::string("\x50\xa0\x50\xa0"), palette)};
  int refused = 0;
  for (int i = 0; i < 1500; ++i) {
    const auto image = DecodeImage("x", Damage(images[i % images.size()], random));
    refused += image.ok() ? 0 : 1;
    if (image.ok()) {
      EXPECT_EQ(ResizeAndCrop(*image, 4, 4, false).size(), 48u);
    }
  }
  EXPECT_GT(refused, 500);

  const std::string tar = Tar(TarMember("dog/1.jpg", GoodJpeg()));
  const std::string csv = "a,\"b\",y\n1,2,red\n3,\"4\",\"blue\"\n";
  const std::vector<std::pair<std::string, std::string>> files = {
      {tar, OnImages("x")}, {Gzip(tar), OnImages("x")}, {csv, OnCsv()}, {Cifar10({1, 2}), Split("CIFAR10", "x")}};
  refused = 0;
  for (int i = 0; i < 200; ++i) {
    const auto& [bytes, splits] = files[i % files.size()];
    Import import(One(Damage(bytes, random)));
    const auto dataset = import.Run(splits);
    if (dataset.ok()) continue;
    ++refused;
    EXPECT_EQ(dataset.status().code(), absl::StatusCode::kInvalidArgument) << dataset.status();
  }
  EXPECT_GT(refused, 50);
}

}  // namespace
}  // namespace traind::core
