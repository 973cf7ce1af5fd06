// Which splits a job reads, and what it is warned of; what is refused is in corpus/configs/evaluation.textproto.
#include "core/job/resolve_splits.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/job/resolve.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/datasets.h"
#include "tests/support/text_proto.h"

namespace traind::core {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr char kNetwork[] = "network { layers { name: 'out' dense { units: 3 } } } ";
constexpr char kCentred[] = "preprocessing { standardize {} } ";

ResolvedJob JobOn(const v1::Dataset& dataset, const std::string& data, const std::string& more = "") {
  const auto spec = FromText<v1::JobSpec>(absl::StrCat(kNetwork, "data { dataset: 'd' ", kCentred, data, " } ", more));
  FieldErrors::Root errors;
  ResolvedJob job = *ResolveJob(spec, &dataset, 4, errors.scope());
  EXPECT_TRUE(errors.ok()) << errors.ToStatus();
  return job;
}

v1::Dataset DatasetWith(std::initializer_list<std::pair<const char*, int64_t>> splits) {
  v1::Dataset dataset = MakeDataset("d", {4}, v1::ELEMENT_TYPE_FLOAT32, splits);
  dataset.set_num_classes(3);
  return dataset;
}

const v1::Dataset kTrainAndTest = DatasetWith({{"train", 120}, {"test", 30}});
const v1::Dataset kAllThree = DatasetWith({{"train", 120}, {"val", 20}, {"test", 30}});

std::string SplitsRead(const v1::Dataset& dataset, const std::string& data) {
  const v1::JobSpec spec = JobOn(dataset, data).spec;
  return absl::StrCat(spec.data().train_split(), " ", spec.data().evaluation_split(), " ", spec.data().test_split());
}

TEST(ResolveSplits, WhatIsEvaluatedIsNotTheTestSplitWhereThereIsAnother) {
  EXPECT_EQ(SplitsRead(kTrainAndTest, ""), "train test none");
  EXPECT_EQ(SplitsRead(kAllThree, ""), "train val test");
  EXPECT_EQ(SplitsRead(kAllThree, "evaluation_split: 'test'"), "train test none");
  EXPECT_EQ(SplitsRead(kAllThree, "test_split: 'none'"), "train val none");
  EXPECT_EQ(SplitsRead(kAllThree, "evaluation_split: 'none'"), "train none none");
  EXPECT_EQ(SplitsRead(kAllThree, "evaluation_split: 'none' test_split: 'test'"), "train none test");
  EXPECT_EQ(SplitsRead(kAllThree, "train_split: 'test' evaluation_split: 'val'"), "test val none");
  EXPECT_EQ(SplitsRead(kTrainAndTest, "evaluation_split: 'train'"), "train train none");
  EXPECT_EQ(SplitsRead(DatasetWith({{"train", 120}}), ""), "train none none");
}

TEST(ResolveSplits, WhatIsHeldOutIsEvaluatedAndTheTestSplitLeftForTheEnd) {
  EXPECT_EQ(SplitsRead(kTrainAndTest, "validation_fraction: 0.1"), "train validation test");
  EXPECT_EQ(SplitsRead(kAllThree, "folds { count: 5 index: 2 }"), "train validation test");
  EXPECT_EQ(SplitsRead(DatasetWith({{"train", 120}}), "validation_fraction: 0.1"), "train validation none");
  EXPECT_EQ(SplitsRead(kAllThree, "validation_fraction: 0.1 test_split: 'val'"), "train validation val");
}

// The default batch, the length of an epoch and what a limit leaves go by what is left.
TEST(ResolveSplits, AnEpochIsWhatIsLeftToTrainOn) {
  const auto steps = [](const std::string& data) {
    return JobOn(kTrainAndTest, data, "batch_size: 10").spec.evaluation().every_steps();
  };
  EXPECT_EQ(steps(""), 12u);
  EXPECT_EQ(steps("validation_fraction: 0.25"), 9u);
  EXPECT_EQ(steps("folds { count: 2 index: 0 }"), 6u);
  EXPECT_EQ(steps("validation_fraction: 0.25 max_train_examples: 90"), 9u);
  EXPECT_EQ(steps("validation_fraction: 0.25 max_train_examples: 100"), 9u) << "more than there are";
  EXPECT_EQ(steps("validation_fraction: 0.25 max_train_examples: 40"), 4u);
}

std::vector<std::string> WarningsFor(const v1::Dataset& dataset, const std::string& data, const std::string& more) {
  return JobOn(dataset, data, more).warnings;
}

TEST(ResolveSplits, ChoosingByTheTestSplitIsWarnedOfWhereAChoiceIsAskedFor) {
  const auto warns = [](const char* field) {
    return Contains(AllOf(HasSubstr(absl::StrCat(field, " chooses by the split \"test\"")),
                          HasSubstr("say data.validation_fraction: 0.1")));
  };
  EXPECT_THAT(WarningsFor(kTrainAndTest, "", ""), Not(Contains(HasSubstr("chooses by")))) << "of a default job";
  EXPECT_THAT(WarningsFor(kTrainAndTest, "", "early_stopping { patience: 3 }"), warns("early_stopping"));
  EXPECT_THAT(WarningsFor(kTrainAndTest, "", "checkpoint { best_metric: 'accuracy' }"),
              warns("checkpoint.best_metric"));
  EXPECT_THAT(WarningsFor(kTrainAndTest, "", "optimizer { schedule { plateau {} } }"),
              warns("optimizer.schedule.plateau"));
  for (const char* choice : {"early_stopping { patience: 3 }", "checkpoint { best_metric: 'accuracy' }",
                             "optimizer { schedule { plateau {} } }"}) {
    EXPECT_THAT(WarningsFor(kTrainAndTest, "validation_fraction: 0.1", choice), Not(Contains(HasSubstr("chooses by"))));
    EXPECT_THAT(WarningsFor(kAllThree, "", choice), Not(Contains(HasSubstr("chooses by"))));
  }
  EXPECT_THAT(WarningsFor(kTrainAndTest, "", "early_stopping { patience: 3 metric: METRIC_TRAIN_LOSS }"),
              Not(Contains(HasSubstr("chooses by"))));
}

TEST(ResolveSplits, WhatIsNotReadIsSaid) {
  EXPECT_THAT(WarningsFor(DatasetWith({{"train", 120}}), "", ""),
              Contains(AllOf(HasSubstr("nothing is evaluated"), HasSubstr("validation_fraction: 0.1"))));
  EXPECT_THAT(WarningsFor(DatasetWith({{"train", 120}}), "validation_fraction: 0.1", ""), IsEmpty());
  EXPECT_THAT(WarningsFor(DatasetWith({{"train", 120}, {"validation", 9}}), "validation_fraction: 0.1", ""),
              Contains(HasSubstr("the split of that name which datasets/d has is not read")));
  EXPECT_THAT(WarningsFor(kTrainAndTest, "", "evaluation { test_every_time: true }"),
              Contains(HasSubstr("test_every_time does nothing")));
  EXPECT_THAT(
      WarningsFor(kAllThree, "evaluation_split: 'none' test_split: 'test'", "evaluation { test_every_time: true }"),
      Contains(HasSubstr("test_every_time does nothing: data.evaluation_split is \"none\"")));
}

}  // namespace
}  // namespace traind::core
