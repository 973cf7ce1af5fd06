#include "core/data/preprocessing/preprocessor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/core/data/split_builder.h"
#include "tests/support/text_proto.h"

namespace traind::core {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Preprocessor::Config Parse(const std::vector<std::string>& transforms) {
  Preprocessor::Config config;
  for (const std::string& text : transforms) *config.Add() = FromText<v1::Preprocessing>(text);
  return config;
}

class PreprocessorTest : public ::testing::Test {
 protected:
  Preprocessor Create(Preprocessor::Config config, const Shape& shape) {
    FieldErrors::Root root;
    Preprocessor preprocessor = Preprocessor::Create(&config, &shape, root.scope("data"));
    EXPECT_TRUE(root.ok()) << root.ToStatus();
    return preprocessor;
  }
  std::string Errors(Preprocessor::Config config, const Shape& shape) {
    FieldErrors::Root root;
    Preprocessor::Create(&config, &shape, root.scope("data"));
    return std::string(root.ToStatus().message());
  }
  template <class T>
  Split MakeSplit(const Shape& shape, const std::vector<T>& examples) {
    return builder_.Make<T>(shape, examples, SplitBuilder::Labels(std::vector<int32_t>(shape[0], 0)));
  }
  static std::vector<float> ApplyAll(const Preprocessor& preprocessor, const Split& split) {
    const int64_t elements = split.example_elements();
    std::vector<float> all(static_cast<size_t>(split.size() * elements));
    for (int64_t i = 0; i < split.size(); ++i)
      preprocessor.Apply(split.element_type(), split.example(i), all.data() + i * elements);
    return all;
  }
  SplitBuilder builder_;
};

TEST_F(PreprocessorTest, NothingConvertsBytes) {
  const Split split = MakeSplit<uint8_t>({2, 2}, {0, 1, 128, 255});
  EXPECT_THAT(ApplyAll(Create({}, {2}), split), ElementsAre(0, 1, 128, 255));
}

TEST_F(PreprocessorTest, ScaleBringsBytesToOneAndShowsItsDefault) {
  Preprocessor::Config config = Parse({"scale {}"});
  const Shape shape = {2};
  FieldErrors::Root root;
  const Preprocessor preprocessor = Preprocessor::Create(&config, &shape, root.scope());
  EXPECT_EQ(config[0].scale().factor(), 1.0 / 255);
  const Split split = MakeSplit<uint8_t>({1, 2}, {0, 255});
  EXPECT_THAT(ApplyAll(preprocessor, split), ElementsAre(0.0f, 1.0f));
  EXPECT_THAT(ApplyAll(Create(Parse({"scale { factor: 2 offset: -3 }"}), shape), split), ElementsAre(-3, 507));
  EXPECT_TRUE(preprocessor.parameters().empty());
}

// Against the definition, in double, for values with a large common offset.
TEST_F(PreprocessorTest, StandardizeMatchesTheDefinition) {
  constexpr int kExamples = 1000;
  constexpr int kFeatures = 2 * 3 * 5;
  std::vector<float> examples;
  for (int i = 0; i < kExamples; ++i) {
    for (int f = 0; f < kFeatures; ++f) {
      examples.push_back(static_cast<float>(100 + 10 * f + (f + 1) * std::sin(0.7 * i + f)));
    }
  }
  const Split split = MakeSplit<float>({kExamples, 2, 3, 5}, examples);
  for (const bool per_channel : {false, true}) {
    const int width = per_channel ? kFeatures / 2 : 1;
    Preprocessor preprocessor = Create(Parse({std::string("standardize { grouping: ") +
                                              (per_channel ? "GROUPING_PER_CHANNEL" : "GROUPING_PER_FEATURE") + " }"}),
                                       {2, 3, 5});
    ASSERT_TRUE(preprocessor.Fit(AsStored(split)).ok());
    const std::vector<float> result = ApplyAll(preprocessor, split);
    for (int group = 0; group < kFeatures / width; ++group) {
      long double mean = 0, square = 0;
      for (int i = 0; i < kExamples; ++i) {
        for (int f = group * width; f < (group + 1) * width; ++f) mean += examples[i * kFeatures + f];
      }
      mean /= kExamples * width;
      for (int i = 0; i < kExamples; ++i) {
        for (int f = group * width; f < (group + 1) * width; ++f) {
          const long double d = examples[i * kFeatures + f] - mean;
          square += d * d;
        }
      }
      const long double std = sqrtl(square / (kExamples * width));
      for (int i = 0; i < kExamples; i += 97) {
        for (int f = group * width; f < (group + 1) * width; ++f) {
          const double expected = static_cast<double>((examples[i * kFeatures + f] - mean) / std);
          // The mean is kept as float32: 6e-8 of it, seen in units of the deviation.
          const double tolerance = 1e-6 + 6e-8 * static_cast<double>(mean / std);
          EXPECT_NEAR(result[i * kFeatures + f], expected, tolerance)
              << "feature " << f << " per_channel " << per_channel;
        }
      }
    }
    EXPECT_EQ(preprocessor.parameters()[0].shape, per_channel ? Shape{2} : (Shape{2, 3, 5}));
  }
}

TEST_F(PreprocessorTest, ZeroMeanPerFeatureAndPerChannel) {
  const Split split = MakeSplit<uint8_t>({2, 1, 1, 2}, {0, 10, 4, 30});
  Preprocessor per_feature = Create(Parse({"zero_mean {}"}), {1, 1, 2});
  ASSERT_TRUE(per_feature.Fit(AsStored(split)).ok());
  EXPECT_THAT(ApplyAll(per_feature, split), ElementsAre(-2, -10, 2, 10));
  Preprocessor per_channel = Create(Parse({"zero_mean { grouping: GROUPING_PER_CHANNEL }"}), {1, 1, 2});
  ASSERT_TRUE(per_channel.Fit(AsStored(split)).ok());
  EXPECT_THAT(ApplyAll(per_channel, split), ElementsAre(-11, -1, -7, 19));
}

TEST_F(PreprocessorTest, AFeatureThatNeverChangesStaysZero) {
  std::vector<uint8_t> examples;
  for (int value = 0; value < 256; ++value) {
    examples.push_back(static_cast<uint8_t>(value));
  }
  std::vector<uint8_t> twice(examples);
  twice.insert(twice.end(), examples.begin(), examples.end());
  twice.insert(twice.end(), examples.begin(), examples.end());
  const Split split = MakeSplit<uint8_t>({3, 256}, twice);
  Preprocessor preprocessor = Create(Parse({"scale {}", "standardize {}"}), {256});
  ASSERT_TRUE(preprocessor.Fit(AsStored(split)).ok());
  for (float value : ApplyAll(preprocessor, split)) EXPECT_EQ(value, 0.0f);
}

// Constants, one grey level in one pixel, values of a hundred millions, small ones: as scikit-learn 1.9's
// StandardScaler().fit(X).transform(T) in float64.
TEST_F(PreprocessorTest, StandardizesAsScikitLearnAlsoWhatIsConstant) {
  const std::vector<float> x = {3, 0.1f, 0, 1e8f, 1e-4f, 5,  3, 0.1f, 0, 1e8f + 8,  2e-4f, 1,
                                3, 0.1f, 0, 1e8f, 3e-4f, 2,  3, 0.1f, 1, 1e8f + 8,  4e-4f, 8,
                                3, 0.1f, 0, 1e8f, 5e-4f, -3, 3, 0.1f, 0, 1e8f + 16, 6e-4f, 4};
  const std::vector<float> t = {4, 0.2f, 255, 1e8f + 80, 0, 0, -1, 0.1f, 0, 1e8f, 3.5e-4f, 10};
  const std::vector<double> expected = {1.0,  0.100000001, 683.789588,   12.5219807,  -2.04939007,     -0.824621125,
                                        -4.0, 0.0,         -0.447213595, -0.89442719, -1.20710321e-07, 2.08580638};
  const Split split = MakeSplit<float>({6, 6}, x);
  Preprocessor preprocessor = Create(Parse({"standardize {}"}), {6});
  ASSERT_TRUE(preprocessor.Fit(AsStored(split)).ok());
  const std::vector<float> result = ApplyAll(preprocessor, MakeSplit<float>({2, 6}, t));
  for (size_t i = 0; i < result.size(); ++i) {
    // The mean is kept as float32: 8 are its steps at 1e8, where the deviation is 6.
    EXPECT_NEAR(result[i], expected[i], i % 6 == 3 ? 1 : 1e-5 * std::abs(expected[i]) + 1e-6) << i;
  }
  EXPECT_THAT(preprocessor.warnings(),
              ElementsAre(HasSubstr("data.preprocessing[0]: standardize: feature 3 hardly varies "
                                    "beside its mean")));
}

TEST_F(PreprocessorTest, StandardizesImagesByChannelUnlessToldOtherwise) {
  // The second pixel has one grey level once; the third never changes.
  const Split split = MakeSplit<uint8_t>({4, 1, 1, 3}, {0, 0, 9, 100, 0, 9, 200, 1, 9, 250, 0, 9});
  Preprocessor::Config config = Parse({"standardize {}"});
  const Shape shape = {1, 1, 3};
  FieldErrors::Root root;
  Preprocessor by_default = Preprocessor::Create(&config, &shape, root.scope());
  EXPECT_EQ(config[0].standardize().grouping(), v1::GROUPING_PER_CHANNEL);
  ASSERT_TRUE(by_default.Fit(AsStored(split)).ok());
  EXPECT_THAT(by_default.warnings(), IsEmpty());
  Preprocessor per_feature = Create(Parse({"standardize { grouping: GROUPING_PER_FEATURE }"}), shape);
  ASSERT_TRUE(per_feature.Fit(AsStored(split)).ok());
  EXPECT_THAT(per_feature.warnings(), ElementsAre(HasSubstr("feature 1 hardly varies (standard deviation 0.433")));
  // Features keep theirs, and so does zero_mean the mean image.
  config = Parse({"standardize {}", "zero_mean {}"});
  const Shape features = {3};
  Preprocessor::Create(&config, &features, root.scope());
  EXPECT_EQ(config[0].standardize().grouping(), v1::GROUPING_PER_FEATURE);
  EXPECT_EQ(config[1].zero_mean().grouping(), v1::GROUPING_PER_FEATURE);
  EXPECT_TRUE(root.ok());
}

TEST_F(PreprocessorTest, ADeviationThatEpsilonHidesIsToldOf) {
  const Split split = MakeSplit<float>({2, 1}, {0, 1e-8f});
  Preprocessor preprocessor = Create(Parse({"standardize {}"}), {1});
  ASSERT_TRUE(preprocessor.Fit(AsStored(split)).ok());
  EXPECT_THAT(preprocessor.warnings(), ElementsAre(HasSubstr("feature 0 has a standard deviation of 5e-09")));
}

// The second feature is constant: along its axis a difference at test time is multiplied by 1 / sqrt of the default
// epsilon, 1/100 of the mean variance, however small the given one is.
TEST_F(PreprocessorTest, WhitenBlowsUpNoConstant) {
  const Split split = MakeSplit<float>({4, 2}, {-20, 7, 20, 7, -20, 7, 20, 7});  // Variances 400 and 0.
  for (const std::string form : {"FORM_PCA", "FORM_ZCA"}) {
    Preprocessor preprocessor = Create(Parse({"whiten { epsilon: 1e-30 form: " + form + " }"}), {2});
    ASSERT_TRUE(preprocessor.Fit(AsStored(split)).ok());
    const std::vector<float> result = ApplyAll(preprocessor, MakeSplit<float>({1, 2}, {20, 8}));
    EXPECT_NEAR(result[0], 1, 1e-5) << form;
    EXPECT_NEAR(result[1], 1 / std::sqrt(2.0), 1e-5) << form;
  }
}

// Variances 400 and 1e-6: scaled by 1/20 and by 1000.
TEST_F(PreprocessorTest, WhitenWarnsOfAnAxisThatItBlowsUp) {
  const Split split = MakeSplit<float>({4, 2}, {-20, 1e-3f, 20, -1e-3f, -20, -1e-3f, 20, 1e-3f});
  Preprocessor preprocessor = Create(Parse({"whiten { epsilon: 1e-30 }"}), {2});
  ASSERT_TRUE(preprocessor.Fit(AsStored(split)).ok());
  EXPECT_THAT(preprocessor.warnings(), ElementsAre(HasSubstr("times as much as the first one")));
  Preprocessor by_default = Create(Parse({"whiten {}"}), {2});
  ASSERT_TRUE(by_default.Fit(AsStored(split)).ok());
  EXPECT_THAT(by_default.warnings(), IsEmpty());
}

TEST_F(PreprocessorTest, ReloadedParametersGiveTheSameBits) {
  std::vector<uint8_t> examples;
  for (int i = 0; i < 50 * 12; ++i) examples.push_back(static_cast<uint8_t>(i * 37 % 251));
  const Split split = MakeSplit<uint8_t>({50, 3, 2, 2}, examples);
  const std::vector<std::string> list = {"scale { offset: 0.1 }", "zero_mean {}",
                                         "standardize { grouping: GROUPING_PER_CHANNEL }"};
  Preprocessor fitted = Create(Parse(list), {3, 2, 2});
  ASSERT_TRUE(fitted.Fit(AsStored(split)).ok());
  const std::vector<Tensor> parameters = fitted.parameters();
  ASSERT_EQ(parameters.size(), 3u);
  EXPECT_EQ(parameters[0].name, "preprocessing.1.mean");
  EXPECT_EQ(parameters[1].name, "preprocessing.2.mean");
  EXPECT_EQ(parameters[2].name, "preprocessing.2.std");
  Preprocessor loaded = Create(Parse(list), {3, 2, 2});
  ASSERT_TRUE(loaded.Load(parameters).ok());
  EXPECT_EQ(ApplyAll(loaded, split), ApplyAll(fitted, split));

  std::vector<Tensor> damaged = parameters;
  damaged[1].shape = {2};
  EXPECT_THAT(std::string(loaded.Load(damaged).message()), HasSubstr("preprocessing.2.mean has the shape [2]"));
  damaged = parameters;
  damaged[2].values[0] = std::nanf("");
  EXPECT_EQ(loaded.Load(damaged).code(), absl::StatusCode::kDataLoss);
  damaged.pop_back();
  EXPECT_THAT(std::string(loaded.Load(damaged).message()), HasSubstr("preprocessing.2.std is missing"));
}

TEST_F(PreprocessorTest, OnlyTheFirstExamplesCountWhenLimited) {
  Split split = MakeSplit<uint8_t>({3, 1}, {2, 4, 90});
  split.TakeFirst(2);
  Preprocessor preprocessor = Create(Parse({"zero_mean {}"}), {1});
  ASSERT_TRUE(preprocessor.Fit(AsStored(split)).ok());
  EXPECT_THAT(preprocessor.parameters()[0].values, ElementsAre(3));
}

TEST_F(PreprocessorTest, NamesTheFieldOfEachViolation) {
  EXPECT_THAT(Errors(Parse({"", "standardize { epsilon: 0 }"}), {4}),
              HasSubstr("data.preprocessing[0]: must be one of: scale, zero_mean, standardize"));
  EXPECT_THAT(Errors(Parse({"", "standardize { epsilon: 0 }"}), {4}),
              HasSubstr("data.preprocessing[1].standardize.epsilon: must be a positive float32"));
  EXPECT_THAT(Errors(Parse({"zero_mean { grouping: GROUPING_PER_CHANNEL }"}), {4}),
              HasSubstr("data.preprocessing[0].zero_mean.grouping: PER_CHANNEL needs images"));
  EXPECT_THAT(Errors(Parse({"scale { factor: nan offset: 1e300 }"}), {4}),
              HasSubstr("data.preprocessing[0].scale.offset: must be a finite float32"));
  EXPECT_THAT(Errors(Parse(std::vector<std::string>(17, "scale {}")), {4}), HasSubstr("at most 16 transforms"));
}

TEST_F(PreprocessorTest, RefusesAnotherShapeAndOverflow) {
  Preprocessor preprocessor = Create(Parse({"zero_mean {}"}), {3});
  const Split two = MakeSplit<uint8_t>({1, 2}, {1, 2});
  EXPECT_EQ(preprocessor.Fit(AsStored(two)).code(), absl::StatusCode::kDataLoss);
  Preprocessor overflow = Create(Parse({"scale { factor: 1e38 }", "zero_mean {}"}), {1});
  const Split large = MakeSplit<float>({1, 1}, {1e30f});
  EXPECT_THAT(std::string(overflow.Fit(AsStored(large)).message()), HasSubstr("preprocessing.1.mean is not finite"));
}

// Bytes are all positive; what is said to centre them leaves values below zero, and nothing else does.
TEST_F(PreprocessorTest, EveryKindSaysWhetherItCentres) {
  const Split split = MakeSplit<uint8_t>({4, 3}, {10, 20, 90, 50, 60, 10, 20, 30, 40, 200, 150, 140});
  for (const std::string text :
       {"scale {}", "scale { offset: -0.5 }", "zero_mean {}", "standardize {}", "pca {}", "whiten {}"}) {
    Preprocessor::Config config = Parse({text});
    FieldErrors::Root root;
    const auto transform = Registry<Transform>::Get().Create(config[0], root.scope());
    ASSERT_TRUE(root.ok()) << root.ToStatus();
    Preprocessor preprocessor = Create(Parse({text}), {3});
    ASSERT_TRUE(preprocessor.Fit(AsStored(split)).ok());
    const std::vector<float> values = ApplyAll(preprocessor, split);
    EXPECT_EQ(*std::min_element(values.begin(), values.end()) < 0, transform->centres()) << text;
  }
}

}  // namespace
}  // namespace traind::core
