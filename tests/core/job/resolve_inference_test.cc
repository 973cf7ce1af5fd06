#include "core/job/resolve_inference.h"

#include <string>
#include <vector>

#include "core/job/members_match.h"
#include "core/job/resolve.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/datasets.h"
#include "tests/support/text_proto.h"

namespace traind::core {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

v1::JobSpec Job(const std::string& text) {
  const auto spec = FromText<v1::JobSpec>(text);
  FieldErrors::Root errors;
  const auto dataset = FindTestDataset(spec.data().dataset());
  ResolvedJob job = *ResolveJob(spec, dataset ? &*dataset : nullptr, 4, errors.scope());
  EXPECT_TRUE(errors.ok()) << errors.ToStatus();
  return job.spec;
}

// Trained on crops of [1, 24, 24] of "images".
v1::JobSpec Crops() {
  return Job(
      "network { layers { name: 'logits' dense { units: 10 } } } batch_size: 32 data { dataset: 'images' "
      "augmentation { random_resized_crop { height: 24 width: 24 } } } evaluation { test_time { scales: 28 five_crops: "
      "true } }");
}

struct Violations {
  std::vector<std::string> fields;
  std::string text;
};

Violations ViolationsOf(const FieldErrors::Root& errors) {
  Violations all{.fields = {}, .text = std::string(errors.ToStatus().message())};
  for (const auto& violation : errors.violations().field_violations()) all.fields.push_back(violation.field());
  return all;
}

// The result for the dataset that the request or the job names; without violations where `violations` is null.
template <class Request, class Resolve>
auto Resolved(Resolve resolve, const std::string& text, const v1::JobSpec& job, Violations* violations) {
  const auto request = FromText<Request>(text);
  FieldErrors::Root errors;
  const auto dataset = FindTestDataset(DatasetOf(request, job));
  auto result = resolve(request, job, dataset ? &*dataset : nullptr, errors.scope());
  if (violations != nullptr) *violations = ViolationsOf(errors);
  EXPECT_TRUE(violations != nullptr || errors.ok()) << errors.ToStatus();
  return result;
}
v1::JobSpec Evaluation(const std::string& text, const v1::JobSpec& job, Violations* violations = nullptr) {
  return Resolved<v1::EvaluateRequest>(ResolveEvaluation, text, job, violations);
}
v1::PredictSplitRequest SplitPrediction(const std::string& text, const v1::JobSpec& job,
                                        Violations* violations = nullptr) {
  return Resolved<v1::PredictSplitRequest>(ResolvePredictSplit, text, job, violations);
}
std::vector<std::string> BadFields(const std::string& evaluation, const v1::JobSpec& job) {
  Violations violations;
  Evaluation(evaluation, job, &violations);
  return violations.fields;
}
std::vector<std::string> BadSplit(const std::string& prediction, const v1::JobSpec& job) {
  Violations violations;
  SplitPrediction(prediction, job, &violations);
  return violations.fields;
}
std::vector<std::string> BadPrediction(const v1::PredictRequest& request, const v1::JobSpec& job) {
  FieldErrors::Root errors;
  ResolvePrediction(request, job, errors.scope());
  return ViolationsOf(errors).fields;
}

TEST(ResolveEvaluation, IsTheJobsWhereNothingIsSaid) {
  const v1::JobSpec job = Crops();
  EXPECT_EQ(Evaluation("", job).SerializeAsString(), job.SerializeAsString());
  EXPECT_EQ(DatasetOf(v1::EvaluateRequest(), job), "datasets/images");
}

TEST(ResolveEvaluation, TakesWhatTheRequestSays) {
  const v1::JobSpec spec = Evaluation(
      "data { evaluation_split: 'train' max_evaluation_examples: 7 } batch_size: 5 test_time { dropout_samples: 3 }",
      Crops());
  EXPECT_EQ(spec.data().evaluation_split(), "train");
  EXPECT_EQ(spec.data().max_evaluation_examples(), 7);
  EXPECT_EQ(spec.batch_size(), 5u);
  EXPECT_EQ(spec.evaluation().test_time().dropout_samples(), 3u);
  EXPECT_EQ(spec.evaluation().test_time().fractional_samples(), 1u) << "the default";
  EXPECT_FALSE(spec.evaluation().test_time().five_crops()) << "the job's test_time is replaced as a whole";
}

TEST(ResolveEvaluation, ReportsAllViolationsAtOnce) {
  Violations violations;
  Evaluation("data { evaluation_split: 'nosuch' } batch_size: 1000 test_time { dropout_samples: 5000 scales: 5 }",
             Crops(), &violations);
  EXPECT_THAT(violations.fields,
              ElementsAre("data.evaluation_split", "batch_size", "test_time.dropout_samples", "test_time.scales[0]"));
  EXPECT_THAT(violations.text, testing::HasSubstr("datasets/images has no split \"nosuch\"; it has: train, test"));
  EXPECT_THAT(violations.text, testing::HasSubstr("must be 1 to 32, the job's, not 1000"));
  EXPECT_THAT(BadFields("batch_size: 0", Crops()), ElementsAre("batch_size"));
}

TEST(ResolveEvaluation, ReadsASplitThatThereIs) {
  const std::string network = "network { layers { name: 'out' dense { units: 10 } } } ";
  const v1::JobSpec none = Job(network + "data { dataset: 'images' evaluation_split: 'none' }");
  EXPECT_EQ(Evaluation("", none).data().evaluation_split(), "test") << "though the job evaluated nothing";
  const v1::JobSpec tested = Job(network + "data { dataset: 'images' train_split: 'test' evaluation_split: 'none' }");
  Violations violations;
  Evaluation("", tested, &violations);
  EXPECT_THAT(violations.fields, ElementsAre("data.evaluation_split"));
  EXPECT_THAT(violations.text, testing::HasSubstr("evaluates no split of datasets/images, which has: train, test"));
  const v1::JobSpec colour = Job(network + "data { dataset: 'colour' }");
  EXPECT_EQ(Evaluation("", colour).data().evaluation_split(), "validation");
  EXPECT_EQ(Evaluation("data { dataset: 'flowers' }", colour, &violations).data().evaluation_split(), "test")
      << "which that one has not";
  EXPECT_EQ(SplitPrediction("", none).range().split(), "test");
  EXPECT_THAT(BadSplit("", tested), ElementsAre("range.split"));
}

// Members of folds: what one held out, another was trained on.
TEST(ResolveEvaluation, NothingIsHeldOutOfAnEnsembleOfFolds) {
  const auto fold = [](int index) {
    v1::DataSpec data;
    data.set_dataset("datasets/images");
    data.set_train_split("train");
    data.set_evaluation_split("validation");
    data.mutable_folds()->set_count(5);
    data.mutable_folds()->set_index(index);
    return data;
  };
  EXPECT_TRUE(HeldOutTogether(fold(0), fold(0)));
  EXPECT_FALSE(HeldOutTogether(fold(0), fold(1)));
  v1::DataSpec other = fold(0);
  other.set_train_split("test");
  EXPECT_FALSE(HeldOutTogether(fold(0), other));
  v1::DataSpec plain = fold(0);
  plain.clear_folds();
  plain.set_evaluation_split("test");
  EXPECT_TRUE(HeldOutTogether(plain, fold(1))) << "the test split is new to both";
  EXPECT_FALSE(HeldOutTogether(plain, other)) << "which was trained on it";

  v1::JobSpec job = Job(
      "network { layers { name: 'out' dense { units: 10 } } } data { dataset: 'images' folds { count: 5 index: 0 } }");
  EXPECT_EQ(Evaluation("", job).data().evaluation_split(), "validation");
  ForgetHeldOut(*job.mutable_data());
  const v1::JobSpec spec = Evaluation("", job);
  EXPECT_EQ(spec.data().evaluation_split(), "test");
  EXPECT_FALSE(spec.data().has_folds());
  EXPECT_EQ(SplitPrediction("", job).range().split(), "test");
  Violations violations;
  Evaluation("data { evaluation_split: 'validation' }", job, &violations);
  EXPECT_THAT(violations.fields, ElementsAre("data.evaluation_split"));
  EXPECT_THAT(violations.text, testing::HasSubstr("did not hold out the same examples"));
  EXPECT_THAT(BadSplit("range { split: 'validation' }", job), ElementsAre("range.split"));
}

// What does not depend on the dataset is checked without it.
TEST(ResolveEvaluation, WithoutTheDatasetTheRestIsChecked) {
  EXPECT_THAT(BadFields("data { dataset: 'none' } batch_size: 33 test_time { dropout_samples: 1001 }", Crops()),
              ElementsAre("batch_size", "test_time.dropout_samples"));
}

TEST(ResolveEvaluation, AnotherDatasetMustSuitTheModel) {
  const v1::JobSpec few = Job("network { layers { name: 'out' dense { units: 3 } } } data { dataset: 'flowers' }");
  EXPECT_THAT(BadFields("data { dataset: 'flowers' evaluation_split: 'train' }", few), IsEmpty());
  EXPECT_THAT(BadFields("data { dataset: 'flowers' evaluation_split: 'empty' }", few),
              ElementsAre("data.evaluation_split"));
  Violations violations;
  // Labels beyond the outputs, and images in place of four numbers.
  Evaluation("data { dataset: 'images' }", few, &violations);
  EXPECT_THAT(violations.fields, ElementsAre("data.dataset", "data.dataset"));
  EXPECT_THAT(violations.text, testing::HasSubstr("has examples of [1, 28, 28], the model was trained on [4]"));
  EXPECT_THAT(violations.text, testing::HasSubstr("has 10 classes, and the network only 3 outputs"));
  Evaluation("data { dataset: 'prices' }", few, &violations);
  EXPECT_THAT(violations.text, testing::HasSubstr("has targets of 1 numbers, and the network 3 outputs"));
  const v1::JobSpec hinge = Job(
      "network { layers { name: 'out' dense { units: 3 } } } data { dataset: 'flowers' } loss { multiclass_hinge {} }");
  Evaluation("data { dataset: 'prices' }", hinge, &violations);
  EXPECT_THAT(violations.text, testing::HasSubstr("has float targets, which the job's loss does not take"));
}

TEST(ResolvePredictSplit, FillsInTheDefaults) {
  const v1::PredictSplitRequest request = SplitPrediction("", Crops());
  EXPECT_EQ(request.range().dataset(), "datasets/images");
  EXPECT_EQ(request.range().split(), "test");
  EXPECT_EQ(request.range().first(), 0u);
  EXPECT_EQ(request.range().count(), 10000u) << "all of them";
  EXPECT_TRUE(request.test_time().five_crops()) << "the job's";
}

TEST(ResolvePredictSplit, ARangeEndsWithTheSplit) {
  EXPECT_EQ(SplitPrediction("range { first: 9995 count: 100 }", Crops()).range().count(), 5u);
  EXPECT_EQ(SplitPrediction("range { first: 9990 }", Crops()).range().count(), 10u);
  EXPECT_EQ(SplitPrediction("range { count: 1000 }", Crops()).range().count(), 1000u);
  EXPECT_THAT(BadSplit("range { first: 10000 }", Crops()), ElementsAre("range.first"));
}

TEST(ResolvePredictSplit, ReportsAllViolationsAtOnce) {
  EXPECT_THAT(BadSplit("range { split: 'nosuch' } test_time { fractional_samples: 1001 }", Crops()),
              ElementsAre("range.split", "test_time.fractional_samples"));
}

TEST(ResolvePrediction, ReportsAllViolationsAtOnce) {
  EXPECT_THAT(BadPrediction(FromText<v1::PredictRequest>("test_time { dropout_samples: 1001 }"), Crops()),
              ElementsAre("examples", "test_time.dropout_samples"));
  EXPECT_THAT(BadPrediction(FromText<v1::PredictRequest>(
                                "examples { shape: [1, 3] values: [1, 2, 3] } test_time { dropout_samples: 1001 }"),
                            Crops()),
              ElementsAre("examples.shape", "test_time.dropout_samples"));
}

// 12 examples of 50,000 outputs, each with its probability, take 4.8 MB.
TEST(ResolvePrediction, TheAnswerFitsAMessage) {
  const auto job = [](int outputs) {
    return Job("network { layers { name: 'logits' dense { units: " + std::to_string(outputs) +
               " } } } batch_size: 32 data { dataset: 'images' }");
  };
  const auto numbers = [](int examples) {
    v1::PredictRequest request;
    request.mutable_examples()->add_shape(examples);
    request.mutable_examples()->add_shape(784);
    request.mutable_examples()->mutable_values()->Resize(784 * examples, 0.5f);
    return request;
  };
  EXPECT_THAT(BadPrediction(numbers(10), job(50'000)), IsEmpty());
  EXPECT_THAT(BadPrediction(numbers(12), job(50'000)), ElementsAre("examples.shape"));
  EXPECT_THAT(BadSplit("", job(50'000)), IsEmpty());
  EXPECT_THAT(BadSplit("", job(600'000)), ElementsAre("model")) << "no answer holds an example";
}

TEST(ResolvePrediction, ExamplesAreImagesOfAnySizeOrRowsOfNumbers) {
  const auto numbers = [](const std::string& shape, int values) {
    v1::PredictRequest request = FromText<v1::PredictRequest>("examples { shape: [" + shape + "] }");
    request.mutable_examples()->mutable_values()->Resize(values, 0.5f);
    return BadPrediction(request, Crops());
  };
  EXPECT_THAT(numbers("2, 784", 2 * 784), IsEmpty());
  EXPECT_THAT(numbers("1, 1, 28, 28", 784), IsEmpty());
  EXPECT_THAT(numbers("1, 1, 40, 30", 1200), IsEmpty());
  EXPECT_THAT(numbers("1, 3, 28, 28", 3 * 784), ElementsAre("examples.shape"));
  EXPECT_THAT(numbers("784", 784), ElementsAre("examples.shape"));
  EXPECT_THAT(numbers("0, 784", 0), ElementsAre("examples.shape"));
  EXPECT_THAT(numbers("2, 784", 784), ElementsAre("examples.values"));
}

TEST(SeenAs, NumbersTakeTheStoredShapeAndImagesKeepTheirs) {
  const Shape stored = {3, 10, 12};
  EXPECT_EQ(SeenAs({360}, stored), stored);
  EXPECT_EQ(SeenAs(stored, {360}), Shape{360});
  EXPECT_EQ(SeenAs({1, 30, 12}, stored), (Shape{1, 30, 12})) << "other channels are other images";
  EXPECT_EQ(SeenAs({3, 12, 10}, stored), (Shape{3, 12, 10}));
  EXPECT_EQ(SeenAs({3, 40, 40}, stored), (Shape{3, 40, 40}));
  EXPECT_EQ(SeenAs({361}, stored), Shape{361});
}

}  // namespace
}  // namespace traind::core
