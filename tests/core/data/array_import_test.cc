// Datasets from arrays as NumPy writes them: types, orders, layouts, labels of several shapes, NPZ with many arrays.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "tests/core/data/import_run.h"

namespace traind::core {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string Arrays(const std::string& examples, const std::string& labels, const std::string& more = "") {
  return absl::StrCat("splits { name: 'train' examples { path: '", examples, "' } labels { path: '", labels, "' } ",
                      more, " } ");
}
std::string TwoLabels() { return NpyOf<int32_t>({0, 1}); }

class ArrayImportTest : public ::testing::Test {
 protected:
  ArrayImportTest() { run_.Write("y", TwoLabels()); }
  std::string Refused(const std::string& request) {
    const absl::Status status = run_.Try(request).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    return std::string(status.message());
  }
  ImportRun run_;
};

TEST_F(ArrayImportTest, FortranOrderIsTurned) {
  std::vector<float> expected;
  for (int i = 0; i < 24; ++i) expected.push_back(static_cast<float>(i));
  for (const char* name : {"files/fortran.npy", "files/fortran-half-big.npy"}) {
    run_.Import(Arrays(name, "y"));
    EXPECT_EQ(run_.Floats("train"), expected) << name;
  }
  // Of an error in it the place is that in the file: number 1 of the second example is the last but one there.
  run_.Write("x", NpyWithHeader("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2)}",
                                RawBytes<float>({1, 2, 3, INFINITY})));
  EXPECT_THAT(Refused(Arrays("x", "y")), HasSubstr("number 3 (example 1) is infinite"));
  run_.Write("x", NpyWithHeader("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2)}",
                                RawBytes<float>({1, 2, INFINITY, 4})));
  EXPECT_THAT(Refused(Arrays("x", "y")), HasSubstr("byte 74: number 1 (example 0) is infinite"));
  run_.Write("x", Gzip(NpyWithHeader("{'descr': '<f8', 'fortran_order': True, 'shape': (2, 16777216)}", "few")));
  EXPECT_THAT(Refused(Arrays("x", "y")), HasSubstr("the data ends before"));
}

TEST_F(ArrayImportTest, TypesBecomeBytesOrFloats) {
  const v1::Dataset half = run_.Import(Arrays("files/half.npy", "y"));
  EXPECT_THAT(run_.Floats("train"), ElementsAre(1.5f, 0.0f, 65504.0f, 5.9604645e-08f));
  EXPECT_THAT(NotesOf(half), ElementsAre("files/half.npy: float16 is stored as float32"));
  run_.Import(Arrays("files/big-int16.npy", "y"));
  EXPECT_THAT(run_.Floats("train"), ElementsAre(-300, 2, 3, 32767));
  const v1::Dataset flags = run_.Import(Arrays("files/bool.npy", "y"));
  EXPECT_EQ(flags.element_type(), v1::ELEMENT_TYPE_UINT8);
  EXPECT_THAT(run_.Bytes("train"), ElementsAre(1, 0, 0, 1));
  run_.Write("x", Npy("<f8", "(2, 1)", RawBytes<double>({0.1, 2})));
  EXPECT_THAT(NotesOf(run_.Import(Arrays("x", "y"))),
              ElementsAre("x: float64 is stored as float32, rounded to 24 bits"));
  EXPECT_THAT(run_.Floats("train"), ElementsAre(0.1f, 2.0f));
}

TEST_F(ArrayImportTest, IntegersThatFloat32CannotHoldAreRefused) {
  run_.Write("x", NpyOf<int64_t>({16777216, 255, -16777216, 1 << 30}, {2, 2}));
  EXPECT_THAT(NotesOf(run_.Import(Arrays("x", "y"))), ElementsAre("x: int64 is stored as float32"));
  EXPECT_THAT(run_.Floats("train"), ElementsAre(16777216.0f, 255.0f, -16777216.0f, 1073741824.0f));
  run_.Write("x", NpyOf<int64_t>({1, 2, 16777217, 4}, {2, 2}));
  EXPECT_THAT(Refused(Arrays("x", "y")),
              HasSubstr("number 2 (example 1) is 16777217, which float32 does not hold exactly"));
  run_.Write("x", Npy("<u8", "(2, 1)", RawBytes<uint64_t>({1, ~uint64_t{0}})));
  EXPECT_THAT(Refused(Arrays("x", "y")), HasSubstr("number 1 (example 1) is 18446744073709551615, which float32"));
}

TEST_F(ArrayImportTest, ObjectsAndTextSayWhatToSave) {
  EXPECT_THAT(Refused(Arrays("files/objects.npy", "y")),
              HasSubstr("Python objects (a pickle), which are never loaded"));
  EXPECT_THAT(Refused(Arrays("files/half.npy", "files/text.npy")), HasSubstr("numpy.unique(y, return_inverse=True)"));
}

TEST_F(ArrayImportTest, LayoutsAreGuessedAndSaid) {
  std::vector<uint8_t> values;
  for (uint8_t i = 0; i < 2 * 8 * 6 * 2; ++i) values.push_back(i);
  run_.Write("x", NpyOf(values, {2, 8, 6, 2}));
  const v1::Dataset guessed = run_.Import(Arrays("x", "y"));
  EXPECT_THAT(guessed.example_shape(), ElementsAre(8, 6, 2));
  EXPECT_THAT(NotesOf(guessed),
              ElementsAre("x: [2, 8, 6, 2] is taken as [N, channels, height, width]; --layout says otherwise"));
  const v1::Dataset last = run_.Import(Arrays("x", "y", "layout: LAYOUT_CHANNELS_LAST"));
  EXPECT_THAT(last.example_shape(), ElementsAre(2, 8, 6));
  EXPECT_THAT(NotesOf(last), IsEmpty());
  const std::vector<int> bytes = run_.Bytes("train");
  EXPECT_EQ(bytes[1], 2);   // Channel 0 of the second pixel.
  EXPECT_EQ(bytes[48], 1);  // Channel 1 of the first.
  EXPECT_EQ(bytes[96 + 48], 97);
  run_.Write("rgb", NpyOf(std::vector<uint8_t>(2 * 5 * 6 * 3), {2, 5, 6, 3}));
  EXPECT_THAT(run_.Import(Arrays("rgb", "y")).example_shape(), ElementsAre(3, 5, 6));
  EXPECT_THAT(run_.Import(Arrays("rgb", "y", "layout: LAYOUT_CHANNELS_FIRST")).example_shape(), ElementsAre(5, 6, 3));
  EXPECT_THAT(Refused(Arrays("files/half.npy", "y", "layout: LAYOUT_CHANNELS_FIRST")),
              HasSubstr("splits[0].layout: belongs to images, and files/half.npy has the shape [2, 2]"));
}

TEST_F(ArrayImportTest, LabelsOfSeveralShapes) {
  const v1::Dataset column = run_.Import(Arrays("files/half.npy", "files/column.npy"));
  EXPECT_THAT(run_.Labels("train"), ElementsAre(4, 2));
  EXPECT_THAT(NotesOf(column), Contains("files/column.npy: the labels [2, 1] are read as [N]"));
  const v1::Dataset one_hot = run_.Import(Arrays("files/half.npy", "files/one-hot.npy"));
  EXPECT_THAT(run_.Labels("train"), ElementsAre(1, 0));
  EXPECT_EQ(one_hot.num_classes(), 3);  // Of the third there is no example.
  EXPECT_THAT(NotesOf(one_hot), Contains("files/one-hot.npy: the one-hot rows [2, 3] are read as labels of 3 classes"));
  run_.Import(Arrays("files/half.npy", "files/bool.npy"));
  EXPECT_THAT(run_.Labels("train"), ElementsAre(0, 1));
  run_.Write("two", NpyOf<int32_t>({1, 0, 0, 1, 1, 0}, {2, 3}));
  EXPECT_THAT(Refused(Arrays("files/half.npy", "two")), HasSubstr("the label of example 1 is not one-hot"));
  run_.Write("bad", NpyOf<int32_t>({0, -1}));
  EXPECT_THAT(Refused(Arrays("files/half.npy", "bad")), HasSubstr("bad, byte 72: label -1 of example 1 is not in [0,"));
}

TEST_F(ArrayImportTest, FloatsAreTargetsAndWhatTheyLookLikeIsSaid) {
  const v1::Dataset dataset = run_.Import(Arrays("files/half.npy", "files/one-hot-float.npy"));
  EXPECT_EQ(dataset.target_width(), 3);
  EXPECT_THAT(run_.Targets("train"), ElementsAre(0, 1, 0, 1, 0, 0));
  EXPECT_THAT(NotesOf(dataset),
              Contains(HasSubstr("every row has a single 1; for class labels save y.argmax(axis=1)")));
  run_.Write("whole", NpyOf<float>({3, 0}));
  EXPECT_THAT(NotesOf(run_.Import(Arrays("files/half.npy", "whole"))), Contains(HasSubstr("save y.astype(int)")));
  run_.Write("real", NpyOf<float>({3.5, 0}));
  EXPECT_THAT(NotesOf(run_.Import(Arrays("files/half.npy", "real"))), ElementsAre(HasSubstr("float16")));
}

std::string Npz(const std::string& split, const std::string& path, const std::string& more = "") {
  return absl::StrCat("splits { name: '", split, "' examples { path: '", path, "' } ", more, " } ");
}

TEST_F(ArrayImportTest, AnNpzOfKerasHasBothSplits) {
  for (const std::string path : {"files/keras.npz", "files/keras-compressed.npz"}) {
    const v1::Dataset dataset = run_.Import(Npz("train", path) + Npz("test", path));
    EXPECT_THAT(dataset.example_shape(), ElementsAre(1, 2, 2));
    EXPECT_THAT(NotesOf(dataset), IsEmpty());
    EXPECT_THAT(run_.Bytes("train"), ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11));
    EXPECT_THAT(run_.Bytes("test"), ElementsAre(108, 109, 110, 111, 104, 105, 106, 107, 100, 101, 102, 103));
    EXPECT_THAT(run_.Labels("test"), ElementsAre(2, 1, 0));
  }
  EXPECT_THAT(NotesOf(run_.Import(Npz("train", "files/keras.npz"))),
              ElementsAre("files/keras.npz: arrays that no split uses: x_test, y_test"));
}

TEST_F(ArrayImportTest, TheSameExamplesForTwoSplitsAreRefused) {
  const std::string arrays = "examples_array: 'x_train' labels_array: 'y_train'";
  EXPECT_THAT(Refused(Npz("train", "files/keras.npz", arrays) + Npz("test", "files/keras.npz", arrays)),
              HasSubstr("splits[1].examples: files/keras.npz: x_train.npy holds the examples of split 'train' already; "
                        "test=files/keras.npz:EXAMPLES,LABELS names other arrays"));
  run_.Write("x.csv", "a,y\n1,0\n2,1\n");
  const std::string csv = "format: FORMAT_CSV csv { label_column: 'y' }";
  EXPECT_THAT(NotesOf(run_.Import(Npz("train", "x.csv", csv) + Npz("test", "x.csv", csv))),
              ElementsAre(HasSubstr("x.csv: 'train' and 'test' have the same examples")));
  EXPECT_THAT(Refused(Npz("train", "files/keras.npz") + Npz("val", "files/keras.npz")),
              HasSubstr("the file holds: x_train, y_train, x_test, y_test"));
}

TEST_F(ArrayImportTest, DamagedNeverDoesWorseThanAnError) {
  std::mt19937 random(11);
  for (const std::string name :
       {"fortran.npy", "half.npy", "bool.npy", "one-hot.npy", "keras.npz", "keras-compressed.npz", "objects.npy"}) {
    auto whole = ReadFile(SourcePath("tests/core/data/files/") + name, 1 << 20);
    ASSERT_TRUE(whole.ok());
    const bool npz = name.ends_with(".npz");
    for (int i = 0; i < 60; ++i) {
      std::string damaged = *whole;
      if (i % 3 == 0) damaged.resize(random() % damaged.size());
      for (int flips = 0; flips < 2 && !damaged.empty(); ++flips) {
        damaged[random() % damaged.size()] ^= static_cast<char>(1 << random() % 8);
      }
      run_.Write("x", damaged);
      const auto dataset = run_.Try(npz ? Npz("train", "x") : Arrays("x", "y"));
      if (dataset.ok()) continue;
      EXPECT_EQ(dataset.status().code(), absl::StatusCode::kInvalidArgument) << dataset.status();
    }
  }
}

}  // namespace
}  // namespace traind::core
