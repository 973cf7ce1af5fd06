#include "core/job/preprocessing_from.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/text_proto.h"

namespace traind::core {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using From = v1::InitialWeights;

v1::JobSpec Spec(const std::string& preprocessing, const std::string& more = "") {
  return FromText<v1::JobSpec>("data { dataset: 'datasets/a' train_split: 'train' example_shape: [1, 4, 4] " +
                               preprocessing + "} initial_weights { model: 'jobs/m/checkpoints/3' " + more + "}");
}

v1::DataIdentity Data(const std::string& checksum) {
  return FromText<v1::DataIdentity>("dataset: 'datasets/a' splits { name: 'train' checksum: '" + checksum + "' }");
}

struct Resolved {
  From::PreprocessingFrom from;
  std::vector<std::string> warnings;
  std::string problems;
};

Resolved Resolve(v1::JobSpec spec, const ModelOrigin& model) {
  FieldErrors::Root errors;
  Resolved resolved;
  resolved.warnings = ResolvePreprocessingFrom(spec, Data("crc32:01"), model, errors.scope("initial_weights"));
  resolved.from = spec.initial_weights().preprocessing_from();
  resolved.problems = std::string(errors.ToStatus().message());
  return resolved;
}

constexpr char kStandardize[] = "preprocessing { standardize { grouping: GROUPING_PER_CHANNEL epsilon: 1e-7 } } ";

TEST(PreprocessingFrom, IsTheModelsWhereTheListIsTheSame) {
  const v1::JobSpec before = Spec(kStandardize);
  const ModelOrigin same{.spec = &before, .learned = true, .trained_on = Data("crc32:01")};
  const ModelOrigin other{.spec = &before, .learned = true, .trained_on = Data("crc32:02")};
  Resolved resolved = Resolve(Spec(kStandardize), same);
  EXPECT_EQ(resolved.from, From::PREPROCESSING_FROM_MODEL);
  EXPECT_THAT(resolved.warnings, IsEmpty()) << "the same numbers";
  resolved = Resolve(Spec(kStandardize), other);
  EXPECT_EQ(resolved.from, From::PREPROCESSING_FROM_MODEL);
  EXPECT_THAT(resolved.warnings, ElementsAre(HasSubstr("stays as it was fitted on datasets/a")));
  resolved = Resolve(Spec(kStandardize, "preprocessing_from: PREPROCESSING_FROM_DATA"), other);
  EXPECT_EQ(resolved.from, From::PREPROCESSING_FROM_DATA);
  EXPECT_THAT(resolved.warnings, ElementsAre(HasSubstr("fitted anew")));
  resolved = Resolve(Spec(kStandardize, "preprocessing_from: PREPROCESSING_FROM_DATA"), same);
  EXPECT_THAT(resolved.warnings, IsEmpty());
  v1::JobSpec half = Spec(kStandardize, "preprocessing_from: PREPROCESSING_FROM_DATA");
  half.mutable_data()->set_max_train_examples(10);
  EXPECT_THAT(Resolve(half, same).warnings, ElementsAre(HasSubstr("fitted anew"))) << "of fewer examples";
}

TEST(PreprocessingFrom, IsTheDatasWithAWarningWhereTheModelsCannotBe) {
  const v1::JobSpec before = Spec(kStandardize);
  const ModelOrigin model{.spec = &before, .learned = true, .trained_on = Data("crc32:01")};
  const Resolved another = Resolve(Spec("preprocessing { scale {} } "), model);
  EXPECT_EQ(another.from, From::PREPROCESSING_FROM_DATA);
  EXPECT_THAT(another.warnings, ElementsAre(HasSubstr("another preprocessing (standardize) than the job's (scale)")));
  v1::JobSpec wide = Spec("preprocessing { standardize { grouping: GROUPING_PER_FEATURE epsilon: 1e-7 } } ");
  v1::JobSpec large = wide;
  large.mutable_data()->set_example_shape(1, 8);
  const Resolved shape = Resolve(large, {.spec = &wide, .learned = true, .trained_on = Data("crc32:01")});
  EXPECT_EQ(shape.from, From::PREPROCESSING_FROM_DATA);
  EXPECT_THAT(shape.warnings, ElementsAre(HasSubstr("fitted on examples of [1, 4, 4], the job's are [1, 8, 4]")));
  const Resolved uploaded = Resolve(Spec(kStandardize), {});
  EXPECT_EQ(uploaded.from, From::PREPROCESSING_FROM_DATA);
  EXPECT_THAT(uploaded.warnings, ElementsAre(HasSubstr("an uploaded model has no preprocessing")));
  EXPECT_THAT(Resolve(Spec(""), {}).warnings, IsEmpty()) << "nor has the job";
}

TEST(PreprocessingFrom, RefusesTheModelsWhereItCannotBe) {
  const v1::JobSpec before = Spec(kStandardize);
  const ModelOrigin model{.spec = &before, .learned = true, .trained_on = Data("crc32:01")};
  const std::string wanted = "preprocessing_from: PREPROCESSING_FROM_MODEL";
  EXPECT_THAT(Resolve(Spec(kStandardize, wanted), model).problems, IsEmpty());
  EXPECT_THAT(Resolve(Spec("", wanted), model).problems, HasSubstr("(standardize) than the job's (none); say DATA"));
  EXPECT_THAT(Resolve(Spec(kStandardize, wanted), {}).problems,
              HasSubstr("initial_weights.preprocessing_from: MODEL is not possible: an uploaded model"));
}

}  // namespace
}  // namespace traind::core
