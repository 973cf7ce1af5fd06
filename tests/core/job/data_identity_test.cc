#include "core/job/data_identity.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/datasets.h"

namespace traind::core {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

v1::Dataset Images(const std::string& id, const std::vector<std::string>& classes, int num_classes = 0) {
  v1::Dataset dataset = MakeDataset(id, {1, 8, 8}, v1::ELEMENT_TYPE_UINT8, {{"train", 100}, {"test", 20}});
  dataset.mutable_splits(0)->set_checksum("crc32:01");
  dataset.mutable_splits(1)->set_checksum("crc32:02");
  dataset.mutable_class_names()->Assign(classes.begin(), classes.end());
  dataset.set_num_classes(num_classes > 0 ? num_classes : static_cast<int64_t>(classes.size()));
  return dataset;
}

v1::Dataset Table(const std::string& id, v1::ElementType type, int64_t width) {
  v1::Dataset dataset = MakeDataset(id, {3}, type, {{"train", 10}});
  dataset.set_target_width(width);
  return dataset;
}

struct Match {
  DataMatch match;
  std::string problems;  // Empty: it can be read.
};

Match Matched(const v1::Dataset& model, const v1::Dataset& data, v1::TargetSource targets = v1::TARGET_SOURCE_DATASET) {
  FieldErrors::Root errors;
  Match result;
  result.match = MatchData(IdentityOf(model), data, targets, errors.scope("dataset"));
  result.problems = std::string(errors.ToStatus().message());
  return result;
}

TEST(MatchData, FindsClassesByName) {
  const v1::Dataset model = Images("zoo", {"ant", "bee", "cow"});
  const Match subset = Matched(model, Images("field", {"bee", "cow"}));
  EXPECT_THAT(subset.problems, IsEmpty());
  EXPECT_THAT(subset.match.class_of_label, ElementsAre(1, 2));
  EXPECT_THAT(subset.match.notes, ElementsAre(HasSubstr("has 2 of the model's 3 classes")));
  const Match permuted = Matched(model, Images("other", {"cow", "ant", "bee"}));
  EXPECT_THAT(permuted.match.class_of_label, ElementsAre(2, 0, 1));
  EXPECT_THAT(permuted.match.notes, IsEmpty());
  const Match same = Matched(model, Images("same", {"ant", "bee", "cow"}));
  EXPECT_THAT(same.match.class_of_label, IsEmpty()) << "the label itself";
  EXPECT_THAT(same.match.notes, IsEmpty());
  const Match unknown = Matched(model, Images("shift", {"bee", "cow", "dog", "eel"}));
  const Match unread = Matched(model, Images("shift", {"bee", "cow", "dog", "eel"}), v1::TARGET_SOURCE_INPUT);
  EXPECT_THAT(unread.problems, IsEmpty()) << "an autoencoder reads no labels";
  EXPECT_THAT(unread.match.class_of_label, IsEmpty());
  EXPECT_THAT(unknown.problems, HasSubstr("classes that the model does not know: dog, eel; it knows ant, bee, cow"));
}

TEST(MatchData, TakesNumbersWhereThereAreNoNames) {
  EXPECT_THAT(Matched(Images("a", {}, 10), Images("b", {}, 10)).match.notes, IsEmpty());
  EXPECT_THAT(Matched(Images("a", {}, 10), Images("b", {}, 9)).match.notes,
              ElementsAre(HasSubstr("9 of the model's 10")));
  EXPECT_THAT(Matched(Images("a", {}, 2), Images("b", {}, 50)).problems,
              HasSubstr("has 50 classes, and the model only 2"));
  // Folders named by numbers, sorted as text, are the labels of a file.
  const Match folders = Matched(Images("a", {}, 11), Images("b", {"0", "1", "10", "2"}));
  EXPECT_THAT(folders.match.class_of_label, ElementsAre(0, 1, 10, 2));
  EXPECT_THAT(folders.match.notes, ElementsAre(HasSubstr("matched by number"), HasSubstr("4 of the model's 11")));
  const Match order = Matched(Images("a", {"cat", "dog"}), Images("b", {}, 2));
  EXPECT_THAT(order.problems, IsEmpty());
  EXPECT_THAT(order.match.class_of_label, IsEmpty());
  EXPECT_THAT(order.match.notes, ElementsAre(HasSubstr("in their order: the dataset's have no names")));
  EXPECT_THAT(Matched(Images("a", {"cat", "dog"}), Images("b", {}, 3)).problems, HasSubstr("3 classes, the model 2"));
}

TEST(MatchData, RefusesExamplesOfAnotherKind) {
  const v1::Dataset model = Images("a", {"x", "y"});
  v1::Dataset other = model;
  other.set_element_type(v1::ELEMENT_TYPE_FLOAT32);
  EXPECT_THAT(Matched(model, other).problems, HasSubstr("has floats, the model was trained on bytes"));
  EXPECT_THAT(Matched(other, model).problems, HasSubstr("has bytes (0 to 255), the model was trained on floats"));
  const auto with_shape = [&](const std::vector<int64_t>& shape) {
    other = model;
    other.mutable_example_shape()->Assign(shape.begin(), shape.end());
    return Matched(model, other).problems;
  };
  EXPECT_THAT(with_shape({64}), IsEmpty()) << "the same numbers, flat";
  EXPECT_THAT(with_shape({1, 16, 12}), IsEmpty()) << "images of another size: the looks of test time say how";
  for (const auto& shape : std::vector<std::vector<int64_t>>{{3, 8, 8}, {4, 4, 4}, {63}, {9}}) {
    EXPECT_THAT(with_shape(shape), HasSubstr("the model was trained on [1, 8, 8]")) << shape[0];
  }
}

TEST(MatchData, RefusesTargetsOfAnotherKindAndFeaturesInAnotherOrder) {
  const v1::Dataset prices = Table("prices", v1::ELEMENT_TYPE_FLOAT32, 1);
  v1::Dataset classes = Table("classes", v1::ELEMENT_TYPE_FLOAT32, 0);
  classes.set_num_classes(2);
  EXPECT_THAT(Matched(prices, classes).problems,
              HasSubstr("has labels of 2 classes, the model was trained on float targets of 1 number"));
  EXPECT_THAT(Matched(classes, prices).problems, HasSubstr("has float targets of 1 number"));
  EXPECT_THAT(Matched(prices, Table("wide", v1::ELEMENT_TYPE_FLOAT32, 3)).problems,
              HasSubstr("float targets of 3 numbers"));
  v1::Dataset named = prices, permuted = prices;
  for (const char* name : {"age", "size", "rooms"}) named.add_feature_names(name);
  for (const char* name : {"size", "age", "rooms"}) permuted.add_feature_names(name);
  EXPECT_THAT(Matched(named, permuted).problems,
              HasSubstr("import it with the columns age, size, rooms, in this order"));
  EXPECT_THAT(Matched(named, prices).problems, IsEmpty()) << "names on one side alone";
}

TEST(DataIdentity, SaysWhatIsAnotherDataset) {
  const v1::Dataset then = Images("digits", {"a", "b"});
  v1::Dataset now = then;
  const v1::DataIdentity known = IdentityOf(then);
  now.set_uid("another import of the same files");
  EXPECT_THAT(DifferenceOf(known, now), IsEmpty());
  now.mutable_splits(1)->set_checksum("crc32:ff");
  EXPECT_THAT(DifferenceOf(known, now), HasSubstr("\"test\" had the checksum crc32:02 then, and has crc32:ff now"));
  EXPECT_THAT(DifferenceOf(known, now, {"train"}), IsEmpty()) << "the other one is not read";
  now = then;
  now.mutable_splits()->RemoveLast();
  EXPECT_THAT(DifferenceOf(known, now), HasSubstr("split \"test\" is gone"));
  now = then;
  now.set_class_names(0, "z");
  EXPECT_THAT(DifferenceOf(known, now), HasSubstr("classes were a, b then, and are z, b now"));
}

TEST(DataIdentity, OfAnOldJobIsTheDatasetThatIsOlder) {
  v1::Dataset dataset = Images("digits", {"a", "b"});
  v1::Job job;
  job.set_name("jobs/j");
  job.mutable_resolved_spec()->mutable_data()->set_dataset("datasets/digits");
  job.mutable_resolved_spec()->mutable_data()->set_train_split("train");
  job.mutable_resolved_spec()->mutable_data()->set_evaluation_split("none");
  job.mutable_create_time()->set_seconds(1000);
  dataset.mutable_create_time()->set_seconds(900);
  EXPECT_TRUE(IdentityOf(job, &dataset).has_value());
  EXPECT_TRUE(CheckSameData(job, dataset).ok());
  dataset.mutable_create_time()->set_seconds(1100);
  EXPECT_FALSE(IdentityOf(job, &dataset).has_value());
  EXPECT_FALSE(IdentityOf(job, nullptr).has_value());
  const absl::Status later = CheckSameData(job, dataset);
  EXPECT_EQ(later.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(later.message()), HasSubstr("imported after the job was created"));
  *job.mutable_trained_on() = IdentityOf(dataset);
  EXPECT_TRUE(CheckSameData(job, dataset).ok()) << "written down";
  dataset.mutable_splits(1)->set_checksum("crc32:ff");
  EXPECT_TRUE(CheckSameData(job, dataset).ok()) << "it evaluates nothing";
  dataset.mutable_splits(0)->set_checksum("crc32:ff");
  EXPECT_FALSE(CheckSameData(job, dataset).ok());
}

TEST(DataIdentity, LeavesOutNamesThatTakeTooMuch) {
  v1::Dataset dataset = Images("many", {"a", "b"});
  EXPECT_EQ(IdentityOf(dataset).class_names_size(), 2);
  dataset.add_class_names(std::string(2 << 20, 'c'));
  EXPECT_EQ(IdentityOf(dataset).class_names_size(), 0);
}

TEST(DataIdentity, WarnsOfAnotherScale) {
  v1::DataIdentity known;
  EXPECT_THAT(ScaleWarning(known, 0, 1), IsEmpty()) << "not known";
  known.set_example_min(0);
  known.set_example_max(1);
  EXPECT_THAT(ScaleWarning(known, 0, 1), IsEmpty());
  EXPECT_THAT(ScaleWarning(known, -3, 5), IsEmpty());
  EXPECT_THAT(ScaleWarning(known, 0, 255), HasSubstr("between 0 and 255, those of training between 0 and 1"));
  known.set_example_max(255);
  EXPECT_THAT(ScaleWarning(known, 0, 1), HasSubstr("another scale"));
}

TEST(CheckScale, RefusesWhatCannotBeBytes) {
  const v1::DataIdentity bytes = IdentityOf(Images("a", {"x", "y"}));
  const auto problem = [](const v1::DataIdentity& known, const std::vector<float>& values) {
    v1::Examples examples;
    examples.mutable_values()->Assign(values.begin(), values.end());
    FieldErrors::Root errors;
    CheckScale(examples, known, errors.scope("values"));
    return std::string(errors.ToStatus().message());
  };
  EXPECT_THAT(problem(bytes, {0, 128, 255}), IsEmpty());
  EXPECT_THAT(problem(bytes, {0, 17.5, 200}), IsEmpty()) << "an image that was made smaller";
  EXPECT_THAT(problem(bytes, {0, 0, 0}), IsEmpty()) << "black";
  EXPECT_THAT(problem(bytes, {0, 0.25, 1}), HasSubstr("trained on bytes (0 to 255)"));
  EXPECT_THAT(problem(bytes, {-1, 3}), HasSubstr("lie between -1 and 3"));
  EXPECT_THAT(problem(bytes, {0, 256}), HasSubstr("256"));
  EXPECT_THAT(problem(IdentityOf(Table("t", v1::ELEMENT_TYPE_FLOAT32, 1)), {0, 0.25, 1000}), IsEmpty());
}

}  // namespace
}  // namespace traind::core
