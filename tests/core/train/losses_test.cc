// Whole jobs with the losses whose outputs or targets are of their own kind.
#include <cmath>
#include <limits>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "core/job/data_identity.h"
#include "core/train/target_range.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/text_proto.h"
#include "tests/support/train_run.h"

namespace traind::core {
namespace {

using testing::HasSubstr;

v1::JobSpec OneOutput(const std::string& dataset, const std::string& rest) {
  return FromText<v1::JobSpec>(absl::StrCat("network { layers { name: 'o' dense { units: 1 } } } data { dataset: '",
                                            dataset, "' } batch_size: 8 steps: 12 ", rest));
}

std::unique_ptr<Loss> BinaryCrossEntropy() {
  auto config = FromText<v1::Loss>("binary_cross_entropy {}");
  FieldErrors::Root errors;
  return Registry<Loss>::Get().Create(config, errors.scope());
}

class LossesOfJobs : public testing::Test {
 protected:
  absl::Status Train(const v1::JobSpec& spec, const v1::Dataset& dataset) {
    request_ = RequestOf("j", spec, dataset, folder_ / "");
    return core::Train(request_, recorder_, recorder_.stop).status();
  }

  const TemporaryFolder folder_;
  TrainRequest request_;
  Recorder recorder_;
};

TEST_F(LossesOfJobs, OneOutputTellsTwoClassesApart) {
  const v1::Dataset dataset = ImportNumbers("two", folder_ / "", 40, {5}, 2);
  ASSERT_TRUE(Train(OneOutput("two", "loss { binary_cross_entropy {} }"), dataset).ok());
  const v1::EvaluationMetrics& last = recorder_.Last(v1::Event::kEvaluation).evaluation();
  ASSERT_EQ(last.predicted_size(), 2);
  EXPECT_EQ(last.predicted(0) + last.predicted(1), 40);
  const v1::ClassificationMetrics& metrics = last.classification();
  ASSERT_EQ(metrics.confusion_size(), 4);
  EXPECT_DOUBLE_EQ(last.accuracy(), static_cast<double>(metrics.confusion(0) + metrics.confusion(3)) / 40);
  EXPECT_NEAR(metrics.log_loss(), last.loss(), 1e-9);
  EXPECT_GT(recorder_.Last(v1::Event::kTrain).train().accuracy(), 0);

  // Prediction says the same of the same examples.
  const auto newest = LoadNewestCheckpoint(request_.checkpoint_dir);
  ASSERT_TRUE(newest.ok()) << newest.status();
  const InferenceRequest inference{.spec = request_.spec,
                                   .dataset_dir = request_.dataset_dir,
                                   .weights_path = newest->files.weights_path(),
                                   .preprocessing_path = "",
                                   .trained_on = IdentityOf(dataset)};
  const auto range = FromText<v1::PredictSplitRequest>("range { split: 'test' count: 40 }");
  const auto predicted = PredictWhole(inference, range);
  ASSERT_TRUE(predicted.ok()) << predicted.status();
  ASSERT_EQ(predicted->classes_size(), 40);
  int64_t correct = 0;
  for (int i = 0; i < 40; ++i) {
    const double output{predicted->outputs(i)};
    EXPECT_NEAR(predicted->probabilities(i), 1 / (1 + std::exp(-output)), 1e-6);
    EXPECT_EQ(predicted->classes(i), output > 0 ? 1 : 0);
    correct += predicted->classes(i) == predicted->labels(i) ? 1 : 0;
  }
  EXPECT_DOUBLE_EQ(last.accuracy(), static_cast<double>(correct) / 40);
}

TEST_F(LossesOfJobs, BlendedLabelsOfOneOutputAreShares) {
  const v1::Dataset dataset = ImportNumbers("two", folder_ / "", 40, {1, 3, 3}, 2);
  auto spec = OneOutput("two", "loss { binary_cross_entropy {} }");
  *spec.mutable_data()->add_augmentation() = FromText<v1::Augmentation>("mixup { alpha: 1 }");
  ASSERT_TRUE(Train(spec, dataset).ok());
  EXPECT_GT(recorder_.Last(v1::Event::kTrain).train().accuracy(), 0);
  EXPECT_LT(recorder_.Last(v1::Event::kTrain).train().loss(), 2);
}

TEST_F(LossesOfJobs, TargetsOutOfRangeAreNamed) {
  const v1::Dataset dataset = ImportNumbers("numbers", folder_ / "", 40, {5}, 0);
  const absl::Status shares = Train(OneOutput("numbers", "loss { binary_cross_entropy {} }"), dataset);
  EXPECT_TRUE(absl::IsInvalidArgument(shares)) << shares;
  EXPECT_THAT(shares.message(), HasSubstr("loss: takes targets from 0 to 1, and target 0 of example 0 of the split "
                                          "train is -2.961"));
  const absl::Status counts = Train(OneOutput("numbers", "loss { poisson_nll {} }"), dataset);
  EXPECT_TRUE(absl::IsInvalidArgument(counts)) << counts;
  EXPECT_THAT(counts.message(), HasSubstr("loss: takes targets of at least 0"));
  ASSERT_TRUE(Train(OneOutput("numbers", "loss { huber {} }"), dataset).ok());
  EXPECT_EQ(recorder_.Last(v1::Event::kEvaluation).evaluation().regression().targets_size(), 1);
}

TEST_F(LossesOfJobs, InputsAsTargetsOutOfRangeAreNamed) {
  const v1::Dataset dataset = ImportNumbers("numbers", folder_ / "", 40, {5}, 0);
  const auto spec = FromText<v1::JobSpec>(
      "network { layers { name: 'o' dense { units: 5 } } } data { dataset: 'numbers' targets: TARGET_SOURCE_INPUT } "
      "loss { binary_cross_entropy {} } batch_size: 8 steps: 12");
  const absl::Status status = Train(spec, dataset);
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_THAT(status.message(), HasSubstr("change data.preprocessing"));
}

// The training is done by then.
TEST_F(LossesOfJobs, ATestOfInputsOutOfRangeIsLeftOut) {
  v1::ImportDatasetRequest import;
  import.set_dataset_id("shares");
  for (const char* name : {"train", "val", "test"}) {
    auto* split = import.add_splits();
    split->set_name(name);
    const bool outside = split->name() == "test";
    const std::string x = absl::StrCat(folder_ / name, ".npy"), y = folder_ / "y.npy";
    WriteBytes(x, NpyOf(std::vector<float>(40 * 5, outside ? 2.0f : 0.5f), {40, 5}));
    WriteBytes(y, NpyOf(std::vector<float>(40, 0.5f), {40, 1}));
    split->mutable_examples()->set_path(x);
    split->mutable_labels()->set_path(y);
  }
  ImportOptions options;
  options.resolve = [](const v1::DataFile& file) { return absl::StatusOr<std::string>(file.path()); };
  options.dir = folder_ / "shares";
  const auto dataset = ImportDataset(import, options);
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  const auto spec = FromText<v1::JobSpec>(
      "network { layers { name: 'o' dense { units: 5 } } } data { dataset: 'shares' targets: TARGET_SOURCE_INPUT } "
      "loss { binary_cross_entropy {} } batch_size: 8 steps: 12");
  const absl::Status status = Train(spec, *dataset);
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_TRUE(recorder_.Of(v1::Event::kTest).empty());
  EXPECT_EQ(recorder_.Last(v1::Event::kLog).log().level(), v1::LogLine::LEVEL_WARNING);
  EXPECT_THAT(recorder_.Last(v1::Event::kLog).log().text(),
              HasSubstr("not tested on the split \"test\" (data.test_split): loss: takes targets from 0 to 1"));
}

TEST(TargetRange, OfInputsThatAreTargetsARoundingIsNone) {
  const std::unique_ptr<Loss> loss = BinaryCrossEntropy();
  const auto of = [&](float value) { return CheckInputAsTargets(*loss, {.examples = &value, .count = 1}, 1); };
  EXPECT_TRUE(of(1.000001F).ok());
  EXPECT_TRUE(of(-1e-6F).ok());
  EXPECT_THAT(of(1.0000119F).message(), HasSubstr("of which 0 is 1.000012 in"));
  EXPECT_THAT(of(1.0001F).message(), HasSubstr("of which 0 is 1.0001 in"));
  EXPECT_FALSE(of(-1e-4F).ok());
  EXPECT_FALSE(of(std::numeric_limits<float>::quiet_NaN()).ok());
}

TEST_F(LossesOfJobs, TargetsAreCheckedWithASignOfLife) {
  const v1::Dataset dataset = ImportNumbers("numbers", folder_ / "", 40, {5}, 0);
  request_ = RequestOf("j", OneOutput("numbers", "loss { binary_cross_entropy {} }"), dataset, folder_ / "");
  auto split = OpenSplit(request_.dataset_dir, "train");
  ASSERT_TRUE(split.ok()) << split.status();
  int calls = 0;
  EXPECT_FALSE(CheckTargets(*BinaryCrossEntropy(), *split, [&] { ++calls; }).ok());
  EXPECT_EQ(calls, 1);
}

// Twice the weight of all classes is twice the loss, in training and evaluation alike; the log loss has none.
TEST_F(LossesOfJobs, ClassWeightsCountInEvaluation) {
  const v1::Dataset dataset = ImportNumbers("three", folder_ / "", 42, {5}, 3);
  const auto evaluation = [&](const std::string& loss) {
    auto spec = OneOutput("three", absl::StrCat("loss { ", loss, " }"));
    spec.mutable_network()->mutable_layers(0)->mutable_dense()->set_units(3);
    spec.set_steps(0);
    EXPECT_TRUE(Train(spec, dataset).ok());
    EXPECT_TRUE(std::filesystem::remove_all(request_.checkpoint_dir) > 0);
    return recorder_.Last(v1::Event::kEvaluation).evaluation();
  };
  const auto plain = evaluation("softmax_cross_entropy {}");
  const auto doubled = evaluation("softmax_cross_entropy { class_weights { weights: [2, 2, 2] } }");
  EXPECT_NEAR(doubled.loss(), 2 * plain.loss(), 1e-9);
  EXPECT_EQ(doubled.classification().log_loss(), plain.classification().log_loss());
  EXPECT_NEAR(plain.classification().log_loss(), plain.loss(), 1e-6);
}

}  // namespace
}  // namespace traind::core
