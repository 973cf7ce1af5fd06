// Datasets from CSV files as people have them: delimiters, ends of lines, blanks, missing fields, words, labels. The
// expected numbers are worked out by hand.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "tests/core/data/import_run.h"

namespace traind::core {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string Csv(const std::string& path, const std::string& options = "", const std::string& split = "train") {
  return absl::StrCat("splits { name: '", split, "' format: FORMAT_CSV examples { path: '", path,
                      "' } csv { label_column: 'y' ", options, " } } ");
}

class CsvImportTest : public ::testing::Test {
 protected:
  v1::Dataset Import(const std::string& bytes, const std::string& options = "") {
    run_.Write("x", bytes);
    return run_.Import(Csv("x", options));
  }
  std::string Refused(const std::string& bytes, const std::string& options = "", const std::string& more = "") {
    run_.Write("x", bytes);
    const absl::Status status = run_.Try(Csv("x", options) + more).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    return std::string(status.message());
  }
  ImportRun run_;
};

TEST_F(CsvImportTest, IntegersStayIntegers) {
  const v1::Dataset dataset = Import("a,y\n1,1.0\n2,10.0\n3,+2\n4,1e1\n");
  EXPECT_EQ(dataset.class_names_size(), 0);
  EXPECT_EQ(dataset.num_classes(), 11);
  EXPECT_THAT(run_.Labels("train"), ElementsAre(1, 10, 2, 10));
  EXPECT_THAT(NotesOf(dataset), IsEmpty());
}

TEST_F(CsvImportTest, AnOddLabelAmongIntegersIsAnError) {
  EXPECT_THAT(Refused("a,y\n1,0\n2,NA\n3,1\n"),
              HasSubstr("x, line 3: column 'y': 'NA' is no value; a label is required. --missing drop"));
  EXPECT_THAT(Refused("a,y\n1,0\n2,cat\n3,1\n"),
              HasSubstr("x, line 3: column 'y': 'cat' is not an integer in [0, 1000000), and most labels are numbers"));
  EXPECT_THAT(Refused("a,y\n1,unknown\n2,3\n3,1\n"), HasSubstr("x, line 2: column 'y': 'unknown' is not an integer"));
  EXPECT_THAT(Refused("a,y\n1,0.5\n2,1.5\n"), HasSubstr("'0.5' is not an integer"));
  EXPECT_THAT(Refused("a,y\n1,-1\n2,1\n"), HasSubstr("'-1' is not an integer in [0, 1000000)"));
}

TEST_F(CsvImportTest, NamesMayBeNumbersWhenTheyAreListed) {
  run_.Write("x", "a,y\n1,-1\n2,1\n3,-1\n");
  const v1::Dataset dataset = run_.Import(Csv("x") + "class_names: '-1' class_names: '1'");
  EXPECT_THAT(dataset.class_names(), ElementsAre("-1", "1"));
  EXPECT_THAT(run_.Labels("train"), ElementsAre(0, 1, 0));
  EXPECT_THAT(NotesOf(Import("a,y\n1,cat\n2,dog\n3,7\n")),
              ElementsAre("train: labels are names, although numbers are among them: 1 of 3"));
}

TEST_F(CsvImportTest, BlanksAroundFieldsDoNotCount) {
  const v1::Dataset dataset = Import("a , y\n 1 ,cat\n2,cat \n\t3,\" cat\"\n4 , \"dog\" \n");
  EXPECT_THAT(dataset.class_names(), ElementsAre(" cat", "cat", "dog"));
  EXPECT_THAT(dataset.feature_names(), ElementsAre("a"));
  EXPECT_THAT(run_.Labels("train"), ElementsAre(1, 1, 0, 2));
}

TEST_F(CsvImportTest, DelimitersAreGuessedAndSaid) {
  EXPECT_THAT(NotesOf(Import("a;b;y\n1.5;2;0\n")),
              ElementsAre("x: fields are separated by semicolons, by its header line; --delimiter says otherwise"));
  EXPECT_THAT(run_.Floats("train"), ElementsAre(1.5f, 2.0f));
  Import("a\ty\n1\t0\n");
  EXPECT_THAT(run_.Floats("train"), ElementsAre(1));
  EXPECT_THAT(NotesOf(Import("\"a;1\",\"b;2\",y\n1,2,0\n")), IsEmpty());
  EXPECT_THAT(NotesOf(Import("a|y\n1|0\n", "delimiter: '|'")), IsEmpty());
  // A locale's commas are not read as points.
  EXPECT_THAT(Refused("a;y\n1,5;0\n"), HasSubstr("line 2: column 'a': '1,5' is not a number; decimals take a point"));
  EXPECT_THAT(Refused("a,y\n\"1,000\",0\n"), HasSubstr("'1,000' is not a number; decimals take a point, thousands no"));
  EXPECT_THAT(Refused("a,y\n1,0\n", "delimiter: '::'"), HasSubstr("csv.delimiter: must be one character"));
}

TEST_F(CsvImportTest, LinesEndInThreeWays) {
  const std::string csv = "a,y\n1,0\n\n2,1\n";
  for (const std::string end : {"\n", "\r\n", "\r"}) {
    Import(absl::StrReplaceAll(csv, {{"\n", end}}));
    EXPECT_THAT(run_.Floats("train"), ElementsAre(1, 2));
    EXPECT_THAT(Refused(absl::StrReplaceAll(csv + "\"a\nb\",1\nred,0\n", {{"\n", end}})),
                HasSubstr("x, line 5: column 'a'"));
    EXPECT_THAT(Refused(absl::StrReplaceAll("a,b,y\n1,\"1\n2\n3\",1\n4,2\n", {{"\n", end}})),
                HasSubstr("x, line 5: 2 fields"));
  }
}

TEST_F(CsvImportTest, MissingFieldsAreErrorsDroppedOrFilled) {
  const std::string csv = "a,b,y\n1,10,0\n,20,1\nNA,?,0\n4,null,1\n";
  EXPECT_THAT(Refused(csv), HasSubstr("x, line 3: column 'a': is empty; --missing drop leaves such lines out"));
  EXPECT_THAT(NotesOf(Import(csv, "missing: MISSING_DROP")),
              ElementsAre("train: lines left out because a field is missing: 3 of 4"));
  EXPECT_THAT(run_.Floats("train"), ElementsAre(1, 10));
  EXPECT_THAT(NotesOf(Import(csv, "missing: MISSING_MEAN")),
              ElementsAre(HasSubstr("got the column's mean over the first split: 4, first '' in column 'a', line 3")));
  EXPECT_THAT(run_.Floats("train"), ElementsAre(1, 10, 2.5f, 20, 2.5f, 15, 4, 15));
  Import(csv, "missing: MISSING_VALUE missing_value: -1");
  EXPECT_THAT(run_.Floats("train"), ElementsAre(1, 10, -1, 20, -1, -1, 4, -1));
  EXPECT_THAT(NotesOf(Import("a,y\n1,0\n2,NA\n3,1\n", "missing: MISSING_DROP")), ElementsAre(HasSubstr("1 of 3")));
  EXPECT_THAT(run_.Labels("train"), ElementsAre(0, 1));
  EXPECT_THAT(Refused("a,y\n1,0\n2,NA\n3,1\n", "missing: MISSING_MEAN"), HasSubstr("a label is required"));
  EXPECT_THAT(Refused("a,b,y\n,1,0\nNA,1,1\n", "missing: MISSING_MEAN"),
              HasSubstr("column 'a' has no value to take the mean of"));
}

TEST_F(CsvImportTest, TheMeanIsThatOfTheFirstSplit) {
  run_.Write("x", "a,u\n1,3\n3,NaN\n");
  run_.Write("z", "a,u\n,5\n");
  const std::string options = " format: FORMAT_CSV csv { target_columns: 'u' missing: MISSING_MEAN } ";
  run_.Import(absl::StrCat("splits { name: 'train' examples { path: 'x' }", options,
                           "} splits { name: 'test' examples { path: 'z' }", options, "}"));
  EXPECT_THAT(run_.Targets("train"), ElementsAre(3, 3));
  EXPECT_THAT(run_.Floats("test"), ElementsAre(2));
}

TEST_F(CsvImportTest, WordsBecomeFeatures) {
  const std::string options = "categorical_columns: 'color'";
  run_.Write("x", "size,color,y\n1,red,0\n2,blue,1\n3,red,0\n4,\"NA\",1\n");
  run_.Write("z", "size,color,y\n5,blue,0\n6,purple,1\n7,green,1\n");
  const v1::Dataset dataset = run_.Import(Csv("x", options) + Csv("z", options, "test"));
  EXPECT_THAT(dataset.feature_names(), ElementsAre("size", "color=NA", "color=blue", "color=red"));
  ASSERT_EQ(dataset.categorical_columns_size(), 1);
  EXPECT_EQ(dataset.categorical_columns(0).name(), "color");
  EXPECT_THAT(dataset.categorical_columns(0).categories(), ElementsAre("NA", "blue", "red"));
  EXPECT_THAT(run_.Floats("train"), ElementsAre(1, 0, 0, 1, 2, 0, 1, 0, 3, 0, 0, 1, 4, 1, 0, 0));
  EXPECT_THAT(run_.Floats("test"), ElementsAre(5, 0, 1, 0, 6, 0, 0, 0, 7, 0, 0, 0));
  EXPECT_THAT(NotesOf(dataset), ElementsAre("test: words that the first split has not, all zeros in the features: 2, "
                                            "first 'purple' in column 'color', line 3"));
  EXPECT_THAT(
      Refused("size,color,y\n1,red,0\n"),
      HasSubstr("x, line 2: column 'color': 'red' is not a number; --categorical-columns makes a feature of each"));
  EXPECT_THAT(Refused("color,y\n?,0\nred,1\n", options), HasSubstr("x, line 2: column 'color': '?' is no value"));
  Import("color,y\n?,0\nred,1\nblue,1\nred,0\nred,0\n", options + " missing: MISSING_MEAN");
  EXPECT_THAT(run_.Floats("train"), ElementsAre(0.25f, 0.75f, 0, 1, 1, 0, 0, 1, 0, 1));
  EXPECT_THAT(Refused("color,y\n?,0\nred,1\n", options + " missing: MISSING_VALUE"), HasSubstr("no number can stand"));
  EXPECT_THAT(Refused("size,y\n1,0\n", options), HasSubstr("csv.categorical_columns[0]: x, line 1: no column 'color'"));
  EXPECT_THAT(Refused("color,y\nred,0\n", "categorical_columns: 'y'"), HasSubstr("the column 'y' is no feature"));
}

TEST_F(CsvImportTest, ColumnsAreChosenAndDropped) {
  const v1::Dataset dataset = Import("id,a,note,y\n7,1,good,0\n8,2,bad,1\n", "drop_columns: ['id', 'note']");
  EXPECT_THAT(dataset.feature_names(), ElementsAre("a"));
  EXPECT_THAT(run_.Floats("train"), ElementsAre(1, 2));
  EXPECT_THAT(Refused("a,y\n1,0\n", "drop_columns: 'b'"), HasSubstr("csv.drop_columns[0]: x, line 1: no column 'b'"));
  EXPECT_THAT(Refused("a,y\n1,0\n", "drop_columns: 'y'"), HasSubstr("the column 'y' is used already"));
  EXPECT_THAT(Refused("a,b,y\n1,2,0\n", "drop_columns: 'b' feature_columns: 'a'"),
              HasSubstr("csv.drop_columns: not together with"));
}

TEST_F(CsvImportTest, NumbersThatFloat32DoesNotHold) {
  EXPECT_THAT(Refused("a,y\ninf,0\n"), HasSubstr("'inf' is not finite in float32"));
  EXPECT_THAT(Refused("a,y\n-1e400,0\n"), HasSubstr("'-1e400' is not finite in float32"));
  EXPECT_THAT(NotesOf(Import("a,y\n16777217,0\n16777216,1\n20000000,1\n")),
              ElementsAre("train: integers that float32 rounds: 1, first '16777217' in column 'a', line 2"));
}

TEST_F(CsvImportTest, AllSplitsAreReadForTheirFaults) {
  run_.Write("z", "a,y\n1,0\n?,1\n");
  EXPECT_THAT(Refused("a,y\nred,0\n", "", Csv("z", "", "test")),
              ::testing::AllOf(HasSubstr("x, line 2: column 'a': 'red'"), HasSubstr("z, line 3: column 'a': '?'")));
}

TEST_F(CsvImportTest, DamagedNeverDoesWorseThanAnError) {
  std::mt19937 random(13);
  const std::string whole = "a;\"b\";color;y\r\n1;2;red;cat\r\n3;\"4\";\"bl\"\"ue\";\"dog\"\r\n NA ;6;?;cat\r\n";
  const std::string options = "categorical_columns: 'color' missing: MISSING_MEAN";
  int refused = 0;
  for (int i = 0; i < 300; ++i) {
    std::string damaged = whole;
    if (i % 3 == 0) damaged.resize(random() % damaged.size());
    for (int flips = 0; flips < 2 && !damaged.empty(); ++flips) {
      damaged[random() % damaged.size()] ^= static_cast<char>(1 << random() % 8);
    }
    run_.Write("x", damaged);
    const auto dataset = run_.Try(Csv("x", options));
    if (dataset.ok()) continue;
    ++refused;
    EXPECT_EQ(dataset.status().code(), absl::StatusCode::kInvalidArgument) << dataset.status();
  }
  EXPECT_GT(refused, 100);
}

}  // namespace
}  // namespace traind::core
