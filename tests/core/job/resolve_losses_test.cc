// Losses against the dataset and the network of a job, and class weights that are made of labels.
#include <string>
#include <vector>

#include "core/job/class_balance.h"
#include "core/job/resolve.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/datasets.h"
#include "tests/support/file_formats.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/text_proto.h"
#include "tests/support/train_run.h"

namespace traind::core {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// "field: words" of each violation of a network with so many outputs.
std::vector<std::string> Problems(const std::string& dataset, int outputs, const std::string& loss) {
  const auto spec = FromText<v1::JobSpec>(absl::StrCat("network { layers { name: 'o' dense { units: ", outputs,
                                                       " } } } data { dataset: '", dataset, "' } loss { ", loss, " }"));
  FieldErrors::Root errors;
  const auto described = FindTestDataset(dataset);
  ResolveJob(spec, &*described, 4, errors.scope()).IgnoreError();
  std::vector<std::string> found;
  for (const auto& one : errors.violations().field_violations()) {
    found.push_back(absl::StrCat(one.field(), ": ", one.description()));
  }
  return found;
}

TEST(ResolveLosses, BinaryCrossEntropyHasOneOutputForTwoClassesOrOneForEach) {
  v1::Dataset two = *FindTestDataset("flowers");
  two.set_num_classes(2);
  const auto spec = FromText<v1::JobSpec>(
      "network { layers { name: 'o' dense { units: 1 } } } data { dataset: 'flowers' } loss { binary_cross_entropy {} "
      "}");
  FieldErrors::Root errors;
  ASSERT_TRUE(ResolveJob(spec, &two, 4, errors.scope()).ok());
  EXPECT_TRUE(errors.ok()) << errors.ToStatus();
  EXPECT_THAT(Problems("flowers", 1, "binary_cross_entropy {}"),
              ElementsAre(HasSubstr("network.layers[0]: has 1 outputs, fewer than the 3 classes")));
  EXPECT_THAT(Problems("flowers", 3, "binary_cross_entropy {}"), IsEmpty());
  EXPECT_THAT(Problems("flowers", 4, "binary_cross_entropy {}"), ElementsAre(HasSubstr("compares them with one-hot")));
  EXPECT_THAT(Problems("prices", 1, "binary_cross_entropy {}"), IsEmpty());
}

TEST(ResolveLosses, LossesOfNumbersTakeNoClasses) {
  for (const std::string loss : {"huber {}", "mean_absolute_error {}", "poisson_nll {}"}) {
    EXPECT_THAT(Problems("flowers", 3, loss), ElementsAre("loss: does not take the class labels of datasets/flowers"));
    EXPECT_THAT(Problems("prices", 1, loss), IsEmpty());
  }
}

TEST(ResolveLosses, ThereIsAWeightForEachClass) {
  EXPECT_THAT(Problems("flowers", 3, "focal { class_weights { weights: [1, 2, 3] } }"), IsEmpty());
  EXPECT_THAT(Problems("flowers", 3, "focal { class_weights { weights: [1, 2] } }"),
              ElementsAre(HasSubstr("loss.focal.class_weights.weights: has 2 numbers, and there are 3 classes")));
  EXPECT_THAT(Problems("flowers", 3, "softmax_cross_entropy { class_weights { weights: [1, 2, -3] } }"),
              ElementsAre(HasSubstr("loss.softmax_cross_entropy.class_weights.weights[2]: must be finite")));
  EXPECT_THAT(Problems("flowers", 3, "softmax_cross_entropy { class_weights { balanced: true } }"), IsEmpty());
  EXPECT_THAT(Problems("prices", 1, "binary_cross_entropy { positive_weights: [1, 2] }"),
              ElementsAre(HasSubstr("loss.binary_cross_entropy.positive_weights: has 2 numbers")));
}

TEST(ClassBalance, WeighsByTheCountsOfTheTrainingSplit) {
  const TemporaryFolder folder;
  const std::string x = folder / "x.npy", y = folder / "y.npy";
  WriteBytes(x, NpyOf(std::vector<float>(20), {10, 2}));
  WriteBytes(y, NpyOf(std::vector<int32_t>{0, 0, 0, 0, 0, 0, 0, 3, 1, 1}));  // Seven, two, none and one.
  const v1::Dataset dataset = ImportTwoSplits("odd", folder / "", x, y);
  ASSERT_EQ(dataset.num_classes(), 4);
  auto spec =
      FromText<v1::JobSpec>("data { train_split: 'train' } loss { focal { class_weights { balanced: true } } }");
  std::vector<std::string> warnings;
  ASSERT_TRUE(BalanceClasses(folder / "odd", dataset, spec, warnings).ok());
  const v1::ClassWeights& made = spec.loss().focal().class_weights();
  EXPECT_FALSE(made.balanced());
  EXPECT_THAT(made.weights(),
              ElementsAre(testing::DoubleEq(10 / 21.0), testing::DoubleEq(10 / 6.0), 1, testing::DoubleEq(10 / 3.0)));
  EXPECT_THAT(warnings, ElementsAre(HasSubstr("without a training example: 2")));

  // What has been said stays.
  warnings.clear();
  ASSERT_TRUE(BalanceClasses(folder / "odd", dataset, spec, warnings).ok());
  EXPECT_EQ(spec.loss().focal().class_weights().weights_size(), 4);
  auto other = FromText<v1::JobSpec>("loss { huber {} }");
  ASSERT_TRUE(BalanceClasses(folder / "odd", dataset, other, warnings).ok());
  EXPECT_THAT(warnings, IsEmpty());
}

}  // namespace
}  // namespace traind::core
