// Images and tables that come with a call: what the import of the same files makes of them.
#include "core/data/given_examples.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/job/data_identity.h"
#include "tests/core/data/import_run.h"
#include "tests/support/image_bytes.h"

namespace traind::core {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

google::protobuf::RepeatedPtrField<v1::ImageFile> Files(const std::vector<std::pair<std::string, std::string>>& all) {
  google::protobuf::RepeatedPtrField<v1::ImageFile> files;
  for (const auto& [name, content] : all) {
    v1::ImageFile& file = *files.Add();
    file.set_name(name);
    file.set_content(content);
  }
  return files;
}

// Six columns, three rows; each pixel another.
std::string Stripes() {
  std::string rgb;
  for (int i = 0; i < 18; ++i) rgb += {static_cast<char>(10 * i), static_cast<char>(5 * i), static_cast<char>(200 - i)};
  return RgbPng(6, 3, rgb);
}

TEST(ReadImages, AreWhatTheImportMakesOfThem) {
  const std::string jpeg = Jpeg(9, 5, 3, std::string(9 * 5 * 3, 'q'));
  for (const bool gray : {false, true}) {
    ImportRun run;
    run.Write("photos/cat/1.png", Stripes());
    run.Write("photos/cat/2.jpg", jpeg);
    run.Import(absl::StrCat("splits { name: 'train' format: FORMAT_IMAGES images { height: 4 width: 4 grayscale: ",
                            gray, " } examples { path: 'photos' } }"));
    const auto given = ReadImages(Files({{"1.png", Stripes()}, {"2.jpg", jpeg}}), {gray ? 1 : 3, 4, 4});
    ASSERT_TRUE(given.ok()) << given.status();
    EXPECT_EQ(given->count, 2);
    EXPECT_THAT(std::vector<int>(given->bytes.begin(), given->bytes.end()), ElementsAreArray(run.Bytes("train")));
    const RawExamples view = given->View();
    EXPECT_EQ(view.type, v1::ELEMENT_TYPE_UINT8);
    EXPECT_EQ(static_cast<const uint8_t*>(view.at(1))[0], given->bytes[static_cast<size_t>(Elements(given->shape))]);
  }
}

TEST(ReadImages, SayWhatWasDone) {
  const auto fitted = ReadImages(Files({{"a.png", SolidPng(4, 4, 9, 9, 9)}, {"b.png", Stripes()}}), {1, 4, 4});
  ASSERT_TRUE(fitted.ok()) << fitted.status();
  EXPECT_THAT(
      fitted->notes,
      ElementsAre("resized so that they cover the 4 x 4 pixels of the training images, and the centre cut out: 1 "
                  "image, b.png (6 x 3)",
                  "colour turned to gray, which the training images are: 1 image, b.png"));
  const auto gray = ReadImages(Files({{"a.png", SolidPng(4, 4, 9, 9, 9)}}), {3, 4, 4});
  EXPECT_THAT(gray->notes, ElementsAre("gray, given to a model of colour images: 1 image, a.png"));
}

TEST(ReadImages, NameTheFileThatIsNone) {
  const auto refused = [](const std::string& bytes, const Shape& shape = {3, 4, 4}) {
    return std::string(ReadImages(Files({{"a.png", Stripes()}, {"b\n.png", bytes}}), shape).status().message());
  };
  EXPECT_THAT(refused("GIF89a"), HasSubstr("b\\n.png, byte 0: the first bytes are those of neither a JPEG nor a PNG"));
  EXPECT_THAT(refused(Stripes().substr(0, 60)), HasSubstr("b\\n.png"));
  EXPECT_THAT(refused(Stripes(), {17}), HasSubstr("was trained on examples of [17], not on images"));
  EXPECT_THAT(refused(Stripes(), {3, 8192, 8192}), HasSubstr("at most 1 of them in a call"));
}

class ReadTableTest : public ::testing::Test {
 protected:
  // Imports a table; its names are those of the model's dataset.
  void Train(const std::string& text, const std::string& options) {
    run_.Write("x.csv", text);
    trained_on_ = IdentityOf(run_.Import(
        absl::StrCat("splits { name: 'train' format: FORMAT_CSV examples { path: 'x.csv' } csv { ", options, " } }")));
  }
  absl::StatusOr<GivenExamples> Read(const std::string& text, v1::ExampleTable table = {}) {
    table.set_name("new.csv");
    table.set_content(text);
    return ReadTable(table, trained_on_, /*answers=*/true);
  }
  std::string Refused(const std::string& text, const v1::ExampleTable& table = {}) {
    const absl::Status status = Read(text, table).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    return std::string(status.message());
  }
  ImportRun run_;
  v1::DataIdentity trained_on_;
};

constexpr char kPets[] = "age,colour,kind\n3,red,cat\n4,blue,dog\n5,red,cat\n";
constexpr char kPetsAre[] = "label_column: 'kind' categorical_columns: 'colour'";

TEST_F(ReadTableTest, TheSameLinesGiveTheImportsNumbers) {
  Train(kPets, kPetsAre);
  const auto given = Read(kPets);
  ASSERT_TRUE(given.ok()) << given.status();
  EXPECT_THAT(given->floats, ElementsAreArray(run_.Floats("train")));
  EXPECT_THAT(given->labels, ElementsAreArray(run_.Labels("train")));
  EXPECT_THAT(given->notes, IsEmpty());
  EXPECT_EQ(given->count, 3);
}

TEST_F(ReadTableTest, ColumnsAreFoundByTheirNames) {
  Train(kPets, kPetsAre);
  // Features: age, colour=blue, colour=red. No label.
  const auto given = Read("colour;age\nred;7\ngreen;8\n");
  ASSERT_TRUE(given.ok()) << given.status();
  EXPECT_THAT(given->floats, ElementsAre(7, 0, 1, 8, 0, 0));
  EXPECT_THAT(given->labels, IsEmpty());
  EXPECT_THAT(given->notes,
              ElementsAre("words that the training examples have not, all zeros in the features: 1, first "
                          "'green' in column 'colour', line 3"));
}

TEST_F(ReadTableTest, NamesWhatIsMissingOrTooMuch) {
  Train(kPets, kPetsAre);
  EXPECT_THAT(Refused("colour,kind\nred,cat\n"),
              HasSubstr("new.csv, line 1: no column 'age', which the model reads; there are: colour, kind"));
  EXPECT_THAT(Refused("age,kind\n3,cat\n"), HasSubstr("no column 'colour', which the model reads"));
  EXPECT_THAT(Refused("age,colour,id\n3,red,77\n"), HasSubstr("the column 'id' is none that the model reads; drop"));
  v1::ExampleTable drop;
  drop.add_drop_columns("id");
  EXPECT_TRUE(Read("age,colour,id\n3,red,77\n", drop).ok());
  EXPECT_THAT(Refused("age,colour\n3,red\n", drop), HasSubstr("no column 'id', which drop_columns names"));
  EXPECT_THAT(Refused("age,colour\n3,red\nold,red\n"), HasSubstr("line 3: column 'age': 'old' is not a number"));
  EXPECT_THAT(Refused("age,colour\n,red\n"), HasSubstr("line 2: column 'age': is empty; put in what shall stand"));
  EXPECT_THAT(Refused("age,colour,kind\n3,red,cow\n"), HasSubstr("line 2: column 'kind': "));
  EXPECT_THAT(Refused("age,colour\n"), HasSubstr("no line follows the header"));
  v1::ExampleTable part;
  part.set_first_line(1001);
  EXPECT_THAT(Refused("age,colour\n3,red\nx,red\n", part), HasSubstr("line 1002: column 'age'"));
  trained_on_.clear_feature_names();
  EXPECT_THAT(Refused(kPets), HasSubstr("have no names"));
}

TEST_F(ReadTableTest, TargetsAreReadWhereTheyAre) {
  Train("a,price,rooms\n1,10,2\n2,20,3\n", "target_columns: ['price', 'rooms']");
  const auto both = Read("rooms,price,a\n5,50,3\n");
  ASSERT_TRUE(both.ok()) << both.status();
  EXPECT_THAT(both->floats, ElementsAre(3));
  EXPECT_THAT(both->targets, ElementsAre(50, 5));
  const auto one = Read("price,a\n50,3\n");
  EXPECT_THAT(one->targets, IsEmpty());
  EXPECT_THAT(one->notes, ElementsAre(HasSubstr("the answers are not compared")));
  v1::ExampleTable named;
  named.add_target_columns("cost");
  EXPECT_THAT(Refused("cost,a\n50,3\n", named),
              HasSubstr("target_columns are 1, and the model's dataset has 2 targets"));
  v1::ExampleTable label;
  label.set_label_column("cost");
  EXPECT_THAT(Refused("cost,a\n50,3\n", label), HasSubstr("was trained on targets, not labels"));
}

TEST_F(ReadTableTest, OfADatasetWhoseColumnOfLabelsIsNotKnownItIsSaid) {
  Train(kPets, kPetsAre);
  trained_on_.clear_label_column();
  EXPECT_THAT(Refused(kPets), HasSubstr("label_column (--label-column) says that it is the label"));
  v1::ExampleTable table;
  table.set_label_column("kind");
  EXPECT_THAT(Read(kPets, table)->labels, ElementsAre(0, 1, 0));
}

}  // namespace
}  // namespace traind::core
