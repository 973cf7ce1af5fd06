#include "core/data/input_pipeline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/data/viewed_examples.h"
#include "tests/support/text_proto.h"
#include "tests/support/train_run.h"

namespace traind::core {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Six images [3, 4, 4] whose pixels are all different, in "train"; "test" has the same.
class InputPipelineTest : public ::testing::Test {
 protected:
  InputPipelineTest() {
    for (int i = 0; i < 6 * 48; ++i) pixels_.push_back(static_cast<uint8_t>(i * 37 % 251));
    WriteBytes(folder_ / "x", Npy("|u1", "(6, 3, 4, 4)", RawBytes(pixels_)));
    WriteBytes(folder_ / "y", Npy("<i4", "(6,)", RawBytes<int32_t>({0, 1, 0, 1, 0, 1})));
    v1::ImportDatasetRequest request;
    request.set_dataset_id("d");
    for (const char* name : {"train", "test"}) {
      v1::SplitSource* source = request.add_splits();
      source->set_name(name);
      source->mutable_examples()->set_path("x");
      source->mutable_labels()->set_path("y");
    }
    ImportOptions options;
    options.resolve = [&](const v1::DataFile& file) -> absl::StatusOr<std::string> { return folder_ / file.path(); };
    options.dir = folder_ / "d";
    EXPECT_TRUE(ImportDataset(request, options).ok());
  }
  absl::StatusOr<InputPipeline> Open(const std::string& data) {
    return InputPipeline::Open(folder_ / "d", FromText<v1::DataSpec>(data));
  }
  std::vector<float> First(const InputPipeline& input) {
    ViewedExamples viewed(AsStored(input.split()), input.first_look());
    std::vector<float> out(static_cast<size_t>(Elements(input.output_shape())));
    input.preprocessor().Apply(v1::ELEMENT_TYPE_UINT8, viewed.At(0), out.data());
    return out;
  }

  TemporaryFolder folder_;
  std::vector<uint8_t> pixels_;
};

TEST_F(InputPipelineTest, FillsInDefaultsAndReportsBothLists) {
  v1::DataSpec data = FromText<v1::DataSpec>("augmentation { rotate { max_degrees: 9 } } preprocessing { scale {} }");
  FieldErrors::Root good;
  const Shape shape = {3, 4, 4};
  InputPipeline::Create(data, &shape, good.scope("data"));
  ASSERT_TRUE(good.ok()) << good.ToStatus();
  EXPECT_EQ(data.preprocessing(0).scale().factor(), 1.0 / 255);
  EXPECT_TRUE(data.augmentation(0).has_probability());
  for (const Shape* known : {&shape, static_cast<const Shape*>(nullptr)}) {
    data = FromText<v1::DataSpec>(
        "augmentation { rotate { max_degrees: 500 } } preprocessing { standardize { epsilon: -1 } }");
    FieldErrors::Root bad;
    InputPipeline::Create(data, known, bad.scope("data"));
    std::vector<std::string> fields;
    for (const auto& violation : bad.violations().field_violations()) fields.push_back(violation.field());
    EXPECT_THAT(fields,
                ElementsAre("data.augmentation[0].rotate.max_degrees", "data.preprocessing[0].standardize.epsilon"));
  }
}

TEST_F(InputPipelineTest, ThePreprocessingIsFittedOnWhatEvaluationSees) {
  auto input = Open(
      "train_split: 'train' augmentation { random_resized_crop { height: 2 width: 2 } } "
      "preprocessing { zero_mean {} }");
  ASSERT_TRUE(input.ok()) << input.status();
  EXPECT_EQ(input->augmented_shape(), (Shape{3, 2, 2}));
  EXPECT_FALSE(input->first_look().plain());
  ASSERT_TRUE(input->Fit().ok());
  ViewedExamples viewed(AsStored(input->split()), input->first_look());
  std::vector<double> mean(12);
  for (int64_t i = 0; i < 6; ++i) {
    const auto* look = static_cast<const uint8_t*>(viewed.At(i));
    for (int k = 0; k < 12; ++k) mean[k] += look[k] / 6.0;
  }
  const std::vector<Tensor> learned = input->learned();
  ASSERT_EQ(learned.size(), 1u);
  for (int k = 0; k < 12; ++k) EXPECT_NEAR(learned[0].values[k], mean[k], 1e-4) << k;
}

TEST_F(InputPipelineTest, ThePlainLookIsTheExampleItself) {
  const auto input = InputPipeline::Open(
      folder_ / "d", FromText<v1::DataSpec>("train_split: 'train' max_train_examples: 4"), Limit::kFirst);
  ASSERT_TRUE(input.ok()) << input.status();
  EXPECT_TRUE(input->first_look().plain());
  EXPECT_EQ(input->split().size(), 4);
  EXPECT_EQ(First(*input), std::vector<float>(pixels_.begin(), pixels_.begin() + 48));
}

TEST_F(InputPipelineTest, WhatWasLearnedComesBack) {
  const std::string data =
      "train_split: 'train' augmentation { pca_lighting {} } preprocessing { standardize { grouping: "
      "GROUPING_PER_CHANNEL } }";
  auto fitted = Open(data);
  ASSERT_TRUE(fitted.ok() && fitted->Fit().ok());
  const std::vector<Tensor> learned = fitted->learned();
  std::vector<std::string> names;
  for (const Tensor& tensor : learned) names.push_back(tensor.name);
  EXPECT_THAT(names, ElementsAre("preprocessing.0.mean", "preprocessing.0.std", "augmentation.0.factor"));
  auto loaded = Open(data);
  ASSERT_TRUE(loaded.ok());
  ASSERT_TRUE(loaded->Load(learned).ok());
  EXPECT_EQ(First(*loaded), First(*fitted));
  EXPECT_EQ(loaded->learned()[2].values, learned[2].values);
  // What does not train has no need of the augmentation's.
  const absl::Span<const Tensor> without = absl::MakeSpan(learned).first(2);
  EXPECT_TRUE(loaded->LoadPreprocessing(without).ok());
  EXPECT_EQ(loaded->Load(without).code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(loaded->Load(without).message()), HasSubstr("augmentation.0.factor is missing"));
}

TEST_F(InputPipelineTest, LooksAreOfTheSizeThatTrainingCropsTo) {
  auto input = InputPipeline::Make(
      FromText<v1::DataSpec>("augmentation { random_resized_crop { height: 2 width: 2 } }"), {3, 4, 4});
  ASSERT_TRUE(input.ok());
  v1::TestTime test_time;
  test_time.set_flips(true);
  const auto looks = input->LooksAt({3, 9, 5}, test_time);
  ASSERT_TRUE(looks.ok()) << looks.status();
  EXPECT_EQ(looks->count(), 2);
  EXPECT_EQ(looks->input(), (Shape{3, 2, 2}));
  EXPECT_EQ(input->LooksAt({1, 9, 5}, test_time).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(InputPipelineTest, ASplitThatIsNotThereIsNamed) {
  const auto input = Open("train_split: 'validation'");
  EXPECT_EQ(input.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(input.status().message()),
              HasSubstr("datasets/d has no split \"validation\"; it has: train, test"));
}

}  // namespace
}  // namespace traind::core
