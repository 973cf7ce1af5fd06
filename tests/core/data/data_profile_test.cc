// What a job says of its data: numbers by hand, and numbers that numpy computed.
#include "core/data/data_profile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "core/data/feature_sample.h"
#include "core/data/neighbours.h"
#include "core/data/shared_examples.h"
#include "tests/support/file_formats.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/text_proto.h"

namespace traind::core {
namespace {

using testing::IsEmpty;

// Multiples of 2^-23 in [-1, 1), the same ones in the numpy script that computed the numbers below.
class Sequence {
 public:
  explicit Sequence(uint32_t seed) : state_(seed) {}
  float Next() {
    state_ = state_ * 1664525U + 1013904223U;
    return static_cast<float>(static_cast<int32_t>(state_ >> 8) - (1 << 23)) / static_cast<float>(1 << 23);
  }

 private:
  uint32_t state_;
};

struct Data {
  std::vector<float> examples = {};
  std::vector<int32_t> labels = {};  // Or:
  std::vector<float> targets = {};   // As many numbers for each example.
};

class DataProfileTest : public testing::Test {
 protected:
  // The splits "train" and "test", examples of `features` numbers.
  void Import(int64_t features, const Data& train, const Data& test) {
    v1::ImportDatasetRequest request;
    request.set_dataset_id("d");
    for (const auto& [name, data] : {std::pair<std::string, const Data&>{"train", train}, {"test", test}}) {
      const int64_t count = static_cast<int64_t>(data.examples.size()) / features;
      WriteBytes(folder_ / absl::StrCat(name, imports_, ".x"), NpyOf(data.examples, {count, features}));
      const int64_t width = static_cast<int64_t>(data.targets.size()) / count;
      WriteBytes(folder_ / absl::StrCat(name, imports_, ".y"),
                 data.targets.empty() ? NpyOf(data.labels) : NpyOf(data.targets, {count, width}));
      v1::SplitSource* source = request.add_splits();
      source->set_name(name);
      source->mutable_examples()->set_path(absl::StrCat(name, imports_, ".x"));
      source->mutable_labels()->set_path(absl::StrCat(name, imports_, ".y"));
    }
    ImportOptions options;
    options.resolve = [&](const v1::DataFile& file) -> absl::StatusOr<std::string> { return folder_ / file.path(); };
    dir_ = options.dir = folder_ / absl::StrCat("d", imports_++);
    const auto dataset = ImportDataset(request, options);
    ASSERT_TRUE(dataset.ok()) << dataset.status();
  }
  InputPipeline Open(const std::string& data = "") {
    auto input = InputPipeline::Open(dir_, FromText<v1::DataSpec>("train_split: 'train' " + data));
    EXPECT_TRUE(input.ok() && input->Fit().ok()) << input.status();
    return *std::move(input);
  }
  v1::DataProfile Profile(const std::string& data = "") {
    const InputPipeline input = Open(data);
    const Split test = Test();
    return ProfileOf(input, &test).profile;
  }
  Split Test() const { return *OpenSplit(dir_, "test"); }

  TemporaryFolder folder_;
  std::string dir_;
  int imports_ = 0;
};

const Data kAnyTest = {.examples = {5}, .labels = {0}};

// The neighbours of 0, 1, 10 and 11.5 are each other: two of four agree, as half of the ordered pairs do.
TEST_F(DataProfileTest, NeighboursWithLabels) {
  Import(1, {.examples = {0, 1, 10, 11.5}, .labels = {0, 0, 1, 0}}, kAnyTest);
  const v1::DataProfile profile = Profile();
  EXPECT_EQ(profile.compared(), 4);
  EXPECT_DOUBLE_EQ(profile.neighbour_agreement(), 0.5);
  EXPECT_DOUBLE_EQ(profile.chance_agreement(), 0.5);
}

// Both splits by themselves: of the evaluation's two pairs both agree, as two of its six pairs do.
TEST_F(DataProfileTest, NeighboursInBothSplits) {
  Import(1, {.examples = {0, 1, 10, 11.5}, .labels = {0, 0, 1, 0}},
         {.examples = {0, 1, 10, 11}, .labels = {0, 0, 1, 1}});
  const v1::DataProfile::EvaluationProfile evaluation = Profile().evaluation();
  EXPECT_EQ(evaluation.compared(), 4);
  EXPECT_DOUBLE_EQ(evaluation.training_agreement(), 0.5);
  EXPECT_DOUBLE_EQ(evaluation.training_chance(), 0.5);
  EXPECT_DOUBLE_EQ(evaluation.neighbour_agreement(), 1);
  EXPECT_DOUBLE_EQ(evaluation.chance_agreement(), 2.0 / 6);
  // As many of each: of the larger split a sample.
  Import(1, {.examples = {0, 1, 10, 11, 20, 21}, .labels = {0, 0, 1, 1, 2, 2}}, {.examples = {0, 1}, .labels = {0, 1}});
  EXPECT_EQ(Profile().evaluation().compared(), 2);
  EXPECT_EQ(Profile().compared(), 6);
}

// Squared differences to the neighbours 1, 1, 16 and 16; of the six pairs 1, 16, 64, 9, 49 and 16.
TEST_F(DataProfileTest, NeighboursWithNumbers) {
  const Data test = {.examples = {5}, .targets = {1}};
  Import(1, {.examples = {0, 1, 10, 12}, .targets = {1, 2, 5, 9}}, test);
  v1::DataProfile profile = Profile();
  EXPECT_NEAR(profile.neighbour_agreement(), 1 - 8.5 / (155.0 / 6), 1e-12);
  EXPECT_EQ(profile.chance_agreement(), 0);
  EXPECT_THAT(profile.class_counts(), IsEmpty());
  Import(1, {.examples = {0, 1, 10, 12}, .targets = {0.1F, 0.1F, 0.1F, 0.1F}}, test);
  profile = Profile();
  EXPECT_EQ(profile.chance_agreement(), 1) << "what is constant agrees always";
}

TEST_F(DataProfileTest, AsNumpyComputesThem) {
  Data train, test;
  Sequence first(1), second(2);
  const auto fill = [](Sequence& sequence, int count, float shift, Data& data) {
    for (int i = 0; i < count; ++i) {
      for (int f = 0; f < 5; ++f) data.examples.push_back(sequence.Next() + shift);
      const float* x = &data.examples[5 * i];
      data.labels.push_back((x[0] > 0 ? 2 : 0) + (static_cast<double>(x[1]) > 0.3 ? 1 : 0));
    }
  };
  fill(first, 300, 0, train);
  fill(second, 80, 0.25F, test);
  Import(5, train, test);
  v1::DataProfile profile = Profile();
  EXPECT_EQ(profile.compared(), 300);
  EXPECT_NEAR(profile.neighbour_agreement(), 247 / 300.0, 1e-12);
  EXPECT_NEAR(profile.chance_agreement(), 0.26450390189520623, 1e-12);
  EXPECT_EQ(profile.evaluation().split(), "test");
  EXPECT_EQ(profile.evaluation().compared(), 80);
  EXPECT_NEAR(profile.evaluation().neighbour_agreement(), 0.8125, 1e-12);
  EXPECT_NEAR(profile.evaluation().chance_agreement(), 0.28259493670886077, 1e-12);
  EXPECT_NEAR(profile.evaluation().training_chance(), 0.2645, 0.01) << "each class has its share";
  EXPECT_FALSE(profile.has_target_variance());
  EXPECT_EQ(profile.evaluation().sampled(), 80);
  EXPECT_EQ(profile.evaluation().shared(), 0);
  EXPECT_NEAR(profile.evaluation().shift(), 0.5319636063301678, 1e-9);
  EXPECT_NEAR(profile.evaluation().class_shift(), 0.21333333333333335, 1e-12);

  for (int i = 0; i < 300; ++i) {
    const float* x = &train.examples[5 * i];
    double sum = 0;
    for (int f = 0; f < 5; ++f) sum += x[f];
    train.targets.push_back(static_cast<float>(sum));
    train.targets.push_back(3 * x[2]);
  }
  test.targets.assign(160, 0);
  Import(5, train, test);
  EXPECT_NEAR(Profile().neighbour_agreement(), 0.9374936093473146, 1e-6);
  EXPECT_NEAR(Profile().target_variance(), 2.5763336805687818, 1e-9);
}

TEST_F(DataProfileTest, OfOneExampleNothingIsCompared) {
  Import(2, {.examples = {1, 2}, .labels = {0}}, {.examples = {1, 2}, .labels = {0}});
  const v1::DataProfile profile = Profile();
  EXPECT_EQ(profile.compared(), 0);
  EXPECT_EQ(profile.evaluation().shared(), 1);
  EXPECT_EQ(profile.evaluation().shift(), 0);
}

// 3e38 times 100 is infinite: these two examples are left out, and the shift is that of the other feature.
TEST_F(DataProfileTest, WhatIsNotFiniteIsLeftOut) {
  Import(2, {.examples = {0, 0, 0, 1, 100, 0, 100, 1}, .labels = {0, 0, 1, 1}},
         {.examples = {100, 1, 100, 1}, .labels = {0, 0}});
  const v1::DataProfile profile = Profile("preprocessing { scale { factor: 3e38 } }");
  EXPECT_EQ(profile.compared(), 2);
  EXPECT_EQ(profile.neighbour_agreement(), 1);
  EXPECT_NEAR(profile.evaluation().shift(), 1, 1e-6) << "from the mean 1/2 to 1, with the deviation 1/2";
}

// 4000 examples of 100 classes, sorted by class: 32 of them are compared, 16 examples of each.
TEST_F(DataProfileTest, OfManyClassesSomeAreCompared) {
  Data train;
  for (int i = 0; i < 4000; ++i) {
    train.examples.push_back(static_cast<float>(i));
    train.labels.push_back(i / 40);
  }
  Import(1, train, kAnyTest);
  const v1::DataProfile profile = Profile();
  EXPECT_EQ(profile.compared(), 512);
  EXPECT_NEAR(profile.chance_agreement(), 15.0 / 511, 1e-12);
  EXPECT_GT(profile.neighbour_agreement(), 0.9);
}

// Labels that come in turn: what is spread evenly over the places would see one class alone.
TEST_F(DataProfileTest, LabelsInTurnAreSeenAll) {
  Data train;
  for (int i = 0; i < 5120; ++i) {
    train.examples.push_back(static_cast<float>(i % 10));
    train.labels.push_back(i % 10);
  }
  Import(1, train, kAnyTest);
  const v1::DataProfile profile = Profile();
  EXPECT_EQ(profile.neighbour_agreement(), 1);
  EXPECT_NEAR(profile.chance_agreement(), 0.1, 0.002);
}

// Features: a; a again, with -0 for 0; a constant; b; -a; the constant again; b again.
TEST_F(DataProfileTest, FeaturesThatAreCopies) {
  Data train;
  Sequence sequence(3);
  for (int i = 0; i < 40; ++i) {
    const float a = i == 7 ? 0.0F : sequence.Next(), b = sequence.Next();
    for (const float x : {a, i == 7 ? -0.0F : a, 4.0F, b, -a, 4.0F, b}) train.examples.push_back(x);
    train.labels.push_back(i % 2);
  }
  Import(7, train, {.examples = std::vector<float>(7, 1), .labels = {0}});
  const v1::DataProfile profile = Profile();
  EXPECT_EQ(profile.constant_features(), 2);
  EXPECT_EQ(profile.duplicated_features(), 2);
}

// One training example has a number in the second feature, all of the evaluation do.
TEST_F(DataProfileTest, AFeatureThatHardlyVariesDoesNotDecideTheShift) {
  FeatureSample training(2), evaluation(2);
  for (int i = 0; i < 100; ++i) {
    training.Add({i % 2 == 0 ? -1.0F : 1.0F, i == 0 ? 1.0F : 0.0F});
    evaluation.Add({i % 2 == 0 ? -1.0F : 1.0F, i < 10 ? 255.0F : 0.0F});
  }
  // 25.5 - 0.01, in a tenth of the deviation 255 sqrt(0.1 * 0.9).
  EXPECT_NEAR(training.ShiftTo(evaluation), std::sqrt(std::pow(25.49 / (25.5 * 0.3), 2) / 2), 1e-6);
  EXPECT_EQ(training.ShiftTo(training), 0);
}

TEST_F(DataProfileTest, ExamplesInBothSplits) {
  Data train, test;
  Sequence sequence(4);
  for (int i = 0; i < 200; ++i) train.examples.push_back(sequence.Next());
  train.labels.assign(100, 0);
  for (const int i : {3, 50, 50, 99}) {
    test.examples.insert(test.examples.end(), {train.examples[2 * i], train.examples[2 * i + 1]});
  }
  for (int i = 0; i < 12; ++i) test.examples.push_back(sequence.Next());
  test.examples.insert(test.examples.end(), {train.examples[0], train.examples[2]});  // Of two examples.
  test.labels.assign(11, 0);
  Import(2, train, test);
  EXPECT_EQ(Profile().evaluation().shared(), 4);
  EXPECT_EQ(Profile("preprocessing { standardize {} }").evaluation().shared(), 4) << "as they are stored";

  // Of a part of the training split: the examples 0, 2, 4, ..., 98.
  const InputPipeline input = Open();
  const SharedExamples half = CountShared(input.split(), Test(), {0, 1, 2, 3, 4}, 100, [] {});
  EXPECT_EQ(half.looked, 50);
  EXPECT_EQ(half.shared, 2) << "number 50, twice";
}

TEST_F(DataProfileTest, WithoutASplitOfItsOwnNothingIsSaidOfIt) {
  Import(1, {.examples = {0, 1}, .labels = {0, 1}}, kAnyTest);
  int calls = 0;
  const ProfiledData data = ProfileOf(Open(), nullptr, [&] { ++calls; });
  EXPECT_FALSE(data.profile.has_evaluation());
  EXPECT_THAT(data.notes, IsEmpty());
  EXPECT_GT(calls, 0);
}

// Of a limited split the sample is looked at, and no other example.
TEST_F(DataProfileTest, OfALimitedSplitWhatTheJobReads) {
  Data train;
  for (int i = 0; i < 100; ++i) {
    train.examples.push_back(static_cast<float>(i));
    train.labels.push_back(i % 2);
  }
  Import(1, train, {.examples = train.examples, .labels = train.labels});
  EXPECT_EQ(Profile().evaluation().shared(), 100);
  const v1::DataProfile limited = Profile("max_train_examples: 10");
  EXPECT_EQ(limited.examples(), 10);
  EXPECT_EQ(limited.compared(), 10);
  EXPECT_EQ(limited.evaluation().shared(), 10);
}

// 10,000 rows of targets are read with a sign of life every 1024, and not at all where the input is the target.
TEST_F(DataProfileTest, TargetsAreReadOnceWithASignOfLife) {
  Data train;
  train.examples.assign(10000, 1);
  for (int i = 0; i < 10000; ++i) train.targets.insert(train.targets.end(), {static_cast<float>(i % 2), 5});
  Import(1, train, {.examples = {5}, .targets = {1, 1}});
  int calls = 0, calls_without = 0;
  const v1::DataProfile profile = ProfileOf(Open(), nullptr, [&] { ++calls; }).profile;
  EXPECT_DOUBLE_EQ(profile.target_variance(), 0.125) << "a quarter, and none";
  const InputPipeline own = Open("targets: TARGET_SOURCE_INPUT");
  EXPECT_FALSE(ProfileOf(own, nullptr, [&] { ++calls_without; }).profile.has_target_variance());
  EXPECT_EQ(calls, calls_without + 10);
}

}  // namespace
}  // namespace traind::core
