// Each augmentation against its definition: rates, ranges, moments, and what stays the same.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <set>
#include <vector>

#include "core/data/augmentation/blend.h"
#include "core/kinds/draw.h"
#include "tests/core/data/augmentation/helpers.h"
#include "tests/core/data/split_builder.h"

namespace traind::core {
namespace {

using ::testing::HasSubstr;

const Shape kShape = {3, 8, 8};

TEST(AugmenterTest, NumbersDependOnSeedPlaceStepAndExampleAlone) {
  const auto image = Pattern<uint8_t>(kShape);
  const std::string crop = "pad_and_crop {}", jitter = "color_jitter { brightness: 0.5 hue: 0.3 }";
  Augmented<uint8_t> one({crop, jitter}, kShape), other({crop, jitter}, kShape), moved({jitter, crop}, kShape);
  const auto result = one(image, 3, 7, 5);
  for (uint32_t example = 0; example < 5; ++example) one(image, example, 9);
  EXPECT_EQ(one(image, 3, 7, 5), result);
  EXPECT_EQ(other(image, 3, 7, 5), result);
  EXPECT_NE(one(image, 4, 7, 5), result);
  EXPECT_NE(one(image, 3, 8, 5), result);
  EXPECT_NE(one(image, 3, 7, 6), result);
  EXPECT_NE(moved(image, 3, 7, 5), result);
}

TEST(AugmenterTest, ProbabilityIsARate) {
  const auto image = Pattern<uint8_t>(kShape);
  const auto rate = [&](const std::string& text) {
    Augmented<uint8_t> augment({text}, kShape);
    int changed = 0;
    for (uint32_t example = 0; example < 2000; ++example) changed += augment(image, example) != image ? 1 : 0;
    return changed / 2000.0;
  };
  EXPECT_NEAR(rate("horizontal_flip {}"), 0.5, 5 * std::sqrt(0.25 / 2000));
  EXPECT_NEAR(rate("horizontal_flip {} probability: 0.1"), 0.1, 5 * std::sqrt(0.09 / 2000));
  EXPECT_NEAR(rate("color_jitter { brightness: 0.9 } probability: 0.3"), 0.3, 5 * std::sqrt(0.21 / 2000));
  EXPECT_EQ(rate("cutout { size: 2 fill: FILL_ZERO }"), 1);
}

// How an example is changed does not depend on the probability that it is.
TEST(AugmenterTest, ProbabilityOnlySelects) {
  const auto image = Pattern<uint8_t>(kShape);
  Augmented<uint8_t> always({"rotate { max_degrees: 90 }"}, kShape);
  Augmented<uint8_t> sometimes({"rotate { max_degrees: 90 } probability: 0.4"}, kShape);
  for (uint32_t example = 0; example < 50; ++example) {
    const auto result = sometimes(image, example);
    EXPECT_TRUE(result == image || result == always(image, example));
  }
}

TEST(CutoutTest, ZeroesSquaresOfItsSize) {
  const Shape shape = {2, 12, 15};
  const std::vector<uint8_t> ones(2 * 180, 1);
  Augmented<uint8_t> cutout({"cutout { size: 5 fill: FILL_ZERO }"}, shape);
  double zeroed = 0;
  std::set<int64_t> places;
  for (uint32_t example = 0; example < 3000; ++example) {
    const auto result = cutout(ones, example);
    ASSERT_TRUE(std::equal(result.begin(), result.begin() + 180, result.begin() + 180)) << "all channels alike";
    int64_t top = 12, bottom = -1, left = 15, right = -1, count = 0;
    for (int64_t i = 0; i < 180; ++i) {
      if (result[i] != 0) continue;
      top = std::min(top, i / 15);
      bottom = std::max(bottom, i / 15);
      left = std::min(left, i % 15);
      right = std::max(right, i % 15);
      ++count;
    }
    ASSERT_EQ(count, (bottom - top + 1) * (right - left + 1)) << "a rectangle";
    // Whole, or cut off by an edge.
    ASSERT_TRUE(bottom - top == 4 || ((top == 0 || bottom == 11) && bottom - top >= 2));
    ASSERT_TRUE(right - left == 4 || ((left == 0 || right == 14) && right - left >= 2));
    places.insert(top * 100 + left);
    zeroed += static_cast<double>(count) / 3000;
  }
  // The mean over all centres: of n, the sides are 3, 4, 5, ..., 5, 4, 3.
  const auto mean_side = [](double n) { return (5 * n - 6) / n; };
  EXPECT_NEAR(zeroed, mean_side(12) * mean_side(15), 0.5);
  // Where it begins: row 0 three ways, rows 1 to 9, and so on.
  EXPECT_EQ(places.size(), 10u * 13u);
}

// Of two images with the channels 10, 30 and 200, 100: means 20 and 150, deviations 10 and 50.
TEST(CutoutTest, FillsWithTheMeanOrWithNoiseOfTheTrainingSplit) {
  const Shape shape = {2, 5, 6};
  std::vector<uint8_t> examples;
  for (const uint8_t value : {10, 200, 30, 100}) examples.insert(examples.end(), 30, value);
  SplitBuilder builder;
  const Split split = builder.Make<uint8_t>({2, 2, 5, 6}, examples, SplitBuilder::Labels({0, 1}));
  const std::vector<uint8_t> image(60, 1);
  Augmented<uint8_t> mean({"cutout { size: 3 }"}, shape);
  ASSERT_TRUE(mean.augmenter().Fit(AsStored(split)).ok());
  for (uint32_t example = 0; example < 50; ++example) {
    const auto result = mean(image, example);
    for (int64_t i = 0; i < 60; ++i) EXPECT_TRUE(result[i] == 1 || result[i] == (i < 30 ? 20 : 150)) << i;
    EXPECT_NE(result, image);
  }
  const std::vector<Tensor> learned = mean.augmenter().parameters();
  ASSERT_EQ(learned.size(), 2u);
  EXPECT_EQ(learned[0].name, "augmentation.0.mean");
  Augmented<uint8_t> resumed({"cutout { size: 3 }"}, shape);
  ASSERT_TRUE(resumed.augmenter().Load(learned).ok());
  EXPECT_EQ(resumed(image, 3), mean(image, 3));

  Augmented<uint8_t> noise({"cutout { size: 4 fill: FILL_NOISE }"}, shape);
  ASSERT_TRUE(noise.augmenter().Fit(AsStored(split)).ok());
  double sum = 0, squares = 0, count = 0;
  for (uint32_t example = 0; example < 1000; ++example) {
    const auto result = noise(image, example);
    for (int64_t i = 30; i < 60; ++i) {
      if (result[i] == 1) continue;
      sum += result[i];
      squares += (result[i] - 150.0) * (result[i] - 150.0);
      ++count;
    }
  }
  EXPECT_NEAR(sum / count, 150, 5 * 50 / std::sqrt(count) + 1);  // 1: what the cut at 255 takes.
  EXPECT_NEAR(std::sqrt(squares / count), 50, 2);
}

TEST(ColorJitterTest, FactorsAreUniformAroundOne) {
  const Shape shape = {1, 4, 4};
  std::vector<float> image(16);
  std::iota(image.begin(), image.end(), 10.0f);  // The mean is 17.5.
  Augmented<float> jitter({"color_jitter { contrast: 0.4 brightness: 0.2 }"}, shape);
  constexpr int kDraws = 4000;
  std::array<double, 2> mean = {}, least = {9, 9}, most = {};
  for (uint32_t example = 0; example < kDraws; ++example) {
    const auto result = jitter(image, example);
    const double level = std::accumulate(result.begin(), result.end(), 0.0) / 16 / 17.5;  // Brightness.
    const double contrast = (result[15] - result[0]) / 15 / level;
    const std::array<double, 2> factor = {level, contrast};
    for (int k = 0; k < 2; ++k) {
      mean[k] += factor[k] / kDraws;
      least[k] = std::min(least[k], factor[k]);
      most[k] = std::max(most[k], factor[k]);
    }
  }
  for (int k = 0; k < 2; ++k) {
    const double range = k == 0 ? 0.2 : 0.4;
    EXPECT_NEAR(mean[k], 1, 5 * range / std::sqrt(3.0 * kDraws));
    EXPECT_NEAR(least[k], 1 - range, 0.01);
    EXPECT_NEAR(most[k], 1 + range, 0.01);
  }
}

TEST(ColorJitterTest, SaturationKeepsGreyAndHueKeepsTheSumAndTheLength) {
  const Shape shape = {3, 1, 2};
  const std::vector<float> image = {50, 200, 80, 10, 130, 90};
  const auto colour = [](const std::vector<float>& x, int pixel) {
    return std::array<double, 3>{x[pixel], x[2 + pixel], x[4 + pixel]};
  };
  const auto grey = [](const std::array<double, 3>& c) { return 0.299 * c[0] + 0.587 * c[1] + 0.114 * c[2]; };
  Augmented<float> saturate({"color_jitter { saturation: 1 }"}, shape), turn({"color_jitter { hue: 0.5 }"}, shape);
  double least = 1, most = -1;
  for (uint32_t example = 0; example < 300; ++example) {
    for (int pixel = 0; pixel < 2; ++pixel) {
      const auto before = colour(image, pixel), saturated = colour(saturate(image, example), pixel);
      EXPECT_NEAR(grey(saturated), grey(before), 1e-3);
      EXPECT_NEAR((saturated[0] - grey(before)) * (before[1] - grey(before)),
                  (saturated[1] - grey(before)) * (before[0] - grey(before)), 0.1);
      const auto turned = colour(turn(image, example), pixel);
      const double sum = before[0] + before[1] + before[2];
      EXPECT_NEAR(turned[0] + turned[1] + turned[2], sum, 1e-3);
      EXPECT_NEAR(std::hypot(turned[0], turned[1], turned[2]), std::hypot(before[0], before[1], before[2]), 1e-3);
      // The angle in the plane across the grey axis.
      const auto angle = [](const std::array<double, 3>& c) {
        return std::atan2(std::sqrt(3.0) * (c[1] - c[2]), 2 * c[0] - c[1] - c[2]);
      };
      const double by = std::remainder(angle(turned) - angle(before), 2 * M_PI) / (2 * M_PI);
      least = std::min(least, by);
      most = std::max(most, by);
    }
  }
  EXPECT_LT(least, -0.48);
  EXPECT_GT(most, 0.48);
}

// Along each axis the offset has the standard deviation std * eigenvalue, so that its covariance is std^2 times that of
// the colours squared.
TEST(PcaLightingTest, OffsetsHaveTheSquaredCovarianceOfTheColours) {
  // Colours c = A z of independent z: their covariance is known from the split itself, in a plain two-pass sum.
  constexpr int kImages = 40, kPixels = 6;
  const RandomStream random(2, Purpose::kProbeInput, 0);
  std::vector<float> examples;
  for (uint32_t i = 0; i < kImages; ++i) {
    std::vector<float> image(3 * kPixels);
    for (uint32_t k = 0; k < kPixels; ++k) {
      const auto words = random.Block(i, k, 0);
      const auto a = ToNormal(words[0], words[1]), b = ToNormal(words[2], words[3]);
      image[k] = 1 + 0.2f * a[0];
      image[kPixels + k] = 0.5f + 0.15f * a[0] + 0.05f * a[1];
      image[2 * kPixels + k] = 0.1f * a[0] - 0.04f * a[1] + 0.03f * b[0];
    }
    examples.insert(examples.end(), image.begin(), image.end());
  }
  std::array<double, 3> mean = {};
  double covariance[3][3] = {};
  const auto at = [&](int i, int c, int k) { return double{examples[(i * 3 + c) * kPixels + k]}; };
  for (int c = 0; c < 3; ++c) {
    for (int i = 0; i < kImages; ++i) {
      for (int k = 0; k < kPixels; ++k) mean[c] += at(i, c, k) / (kImages * kPixels);
    }
  }
  for (int a = 0; a < 3; ++a) {
    for (int b = 0; b < 3; ++b) {
      for (int i = 0; i < kImages; ++i) {
        for (int k = 0; k < kPixels; ++k) {
          covariance[a][b] += (at(i, a, k) - mean[a]) * (at(i, b, k) - mean[b]) / (kImages * kPixels);
        }
      }
    }
  }

  SplitBuilder builder;
  const Split split =
      builder.Make<float>({kImages, 3, 2, 3}, examples, SplitBuilder::Labels(std::vector<int32_t>(kImages, 0)));
  Augmented<float> lighting({"pca_lighting { std: 0.5 }"}, {3, 2, 3});
  ASSERT_TRUE(lighting.augmenter().Fit(AsStored(split)).ok());
  const std::vector<Tensor> learned = lighting.augmenter().parameters();
  ASSERT_EQ(learned.size(), 1u);
  EXPECT_EQ(learned[0].name, "augmentation.0.factor");
  const std::vector<float> black(18, 0.0f);
  constexpr int kDraws = 20000;
  double seen[3][3] = {};
  for (uint32_t example = 0; example < kDraws; ++example) {
    const auto result = lighting(black, example);
    for (int a = 0; a < 3; ++a) {
      EXPECT_EQ(result[6 * a], result[6 * a + 5]) << "one offset for all pixels";
      for (int b = 0; b < 3; ++b) seen[a][b] += double{result[6 * a]} * result[6 * b] / kDraws;
    }
  }
  double squared[3][3] = {};
  for (int a = 0; a < 3; ++a) {
    for (int b = 0; b < 3; ++b) {
      for (int c = 0; c < 3; ++c) squared[a][b] += covariance[a][c] * covariance[c][b];
    }
  }
  for (int a = 0; a < 3; ++a) {
    for (int b = 0; b < 3; ++b) {
      const double error = 0.25 * std::sqrt(2 * squared[a][a] * squared[b][b] / kDraws);
      EXPECT_NEAR(seen[a][b], 0.25 * squared[a][b], 5 * error) << a << " " << b;
    }
  }
  EXPECT_TRUE(lighting.augmenter().warnings().empty());

  std::vector<float> scaled = examples;
  for (float& value : scaled) value *= 255;
  const Split of_bytes_range =
      builder.Make<float>({kImages, 3, 2, 3}, scaled, SplitBuilder::Labels(std::vector<int32_t>(kImages, 0)));
  Augmented<float> bytes({"pca_lighting { std: 0.5 }"}, {3, 2, 3});
  ASSERT_TRUE(bytes.augmenter().Fit(AsStored(of_bytes_range)).ok());
  EXPECT_THAT(bytes.augmenter().warnings(), ::testing::ElementsAre(HasSubstr("colours are taken to be 0 to 1")));
  // The same colours as bytes and as 0 to 1: the same offsets, in their own units.
  std::vector<uint8_t> whole;
  for (const float value : scaled) whole.push_back(static_cast<uint8_t>(std::clamp(value + 0.5f, 0.0f, 255.0f)));
  const Split stored =
      builder.Make<uint8_t>({kImages, 3, 2, 3}, whole, SplitBuilder::Labels(std::vector<int32_t>(kImages, 0)));
  std::vector<float> whole_floats;
  for (const uint8_t value : whole) whole_floats.push_back(static_cast<float>(value) / 255);
  const Split unit =
      builder.Make<float>({kImages, 3, 2, 3}, whole_floats, SplitBuilder::Labels(std::vector<int32_t>(kImages, 0)));
  Augmented<float> of_unit({"pca_lighting {}"}, {3, 2, 3});
  Augmented<uint8_t> of_stored({"pca_lighting {}"}, {3, 2, 3});
  ASSERT_TRUE(of_unit.augmenter().Fit(AsStored(unit)).ok());
  ASSERT_TRUE(of_stored.augmenter().Fit(AsStored(stored)).ok());
  for (int i = 0; i < 9; ++i) {
    EXPECT_NEAR(of_stored.augmenter().parameters()[0].values[i], 255 * of_unit.augmenter().parameters()[0].values[i],
                1e-4);
  }

  // What was learned travels with the checkpoint.
  Augmented<float> resumed({"pca_lighting { std: 0.5 }"}, {3, 2, 3});
  ASSERT_TRUE(resumed.augmenter().Load(learned).ok());
  EXPECT_EQ(resumed(black, 3), lighting(black, 3));
  EXPECT_THAT(resumed.augmenter().Load({}).message(), HasSubstr("augmentation.0.factor is missing"));
}

TEST(DrawTest, BetaHasItsMoments) {
  for (double alpha : {0.1, 0.2, 1.0, 3.0, 50.0}) {
    const RandomStream stream(4, Purpose::kAugment, 0);
    constexpr int kDraws = 20000;
    double mean = 0, square = 0;
    for (uint32_t i = 0; i < kDraws; ++i) {
      Draw draw(stream, 0, i);
      const double x = draw.Beta(alpha);
      ASSERT_TRUE(x >= 0 && x <= 1) << x;
      mean += x / kDraws;
      square += (x - 0.5) * (x - 0.5) / kDraws;
    }
    const double variance = 1 / (4 * (2 * alpha + 1));
    EXPECT_NEAR(mean, 0.5, 5 * std::sqrt(variance / kDraws)) << alpha;
    EXPECT_NEAR(square, variance, 0.03 * variance) << alpha;
  }
  // As extreme as the config allows.
  for (uint32_t i = 0; i < 1000; ++i) {
    Draw draw(RandomStream(4, Purpose::kAugment, 1), 0, i);
    const double x = draw.Beta(0.001);
    ASSERT_TRUE(x >= 0 && x <= 1) << x;
  }
}

// A minibatch whose example i is filled with i, of class i % outputs.
class BlendTest : public testing::Test {
 protected:
  static constexpr int64_t kCount = 10, kOutputs = 4;
  static constexpr int64_t kElements = 3 * 64;

  Minibatch Blend(const Augmenter& augmenter, uint64_t step) {
    examples_.resize(kCount * kElements);
    targets_.assign(kCount * kOutputs, 0.0f);
    for (int64_t i = 0; i < kCount; ++i) {
      std::fill_n(examples_.begin() + i * kElements, kElements, static_cast<float>(i));
      targets_[i * kOutputs + i % kOutputs] = 1;
    }
    spare_examples_.assign(examples_.size(), -1.0f);
    spare_targets_.assign(targets_.size(), -1.0f);
    const Minibatch minibatch{kCount, kElements, kOutputs, examples_.data(), targets_.data()};
    const Minibatch spare{kCount, kElements, kOutputs, spare_examples_.data(), spare_targets_.data()};
    return augmenter.Blend(minibatch, spare, {.seed = 3, .step = step}, pairing_);
  }

  std::vector<float> examples_, targets_, spare_examples_, spare_targets_;
  BatchAugmentation::Pairing pairing_;
};

TEST_F(BlendTest, MixupBlendsExamplesAndLabelsAlike) {
  for (const bool per_example : {false, true}) {
    const Augmenter augmenter =
        MakeAugmenter({absl::StrCat("mixup { alpha: 1 per_example: ", per_example, " }")}, kShape);
    double mean = 0, square = 0;
    constexpr int kSteps = 2000;
    for (uint64_t step = 0; step < kSteps; ++step) {
      const Minibatch result = Blend(augmenter, step);
      std::set<uint32_t> partners(pairing_.partner.begin(), pairing_.partner.end());
      ASSERT_EQ(partners.size(), static_cast<size_t>(kCount)) << "a permutation";
      for (int64_t i = 0; i < kCount; ++i) {
        const float w = pairing_.weight[i];
        const int64_t j = pairing_.partner[i];
        if (!per_example) {
          ASSERT_EQ(w, pairing_.weight[0]);
        }
        ASSERT_NEAR(result.examples[i * kElements], w * i + (1 - w) * j, 1e-5);
        ASSERT_EQ(result.examples[i * kElements], result.examples[i * kElements + kElements - 1]);
        float sum = 0;
        for (int64_t c = 0; c < kOutputs; ++c) {
          const float share = (c == i % kOutputs ? w : 0) + (c == j % kOutputs ? 1 - w : 0);
          ASSERT_NEAR(result.targets[i * kOutputs + c], share, 1e-6);
          sum += result.targets[i * kOutputs + c];
        }
        ASSERT_NEAR(sum, 1, 1e-6);
      }
      mean += pairing_.weight[0] / double{kSteps};
      square += std::pow(pairing_.weight[0] - 0.5, 2) / double{kSteps};
    }
    EXPECT_NEAR(mean, 0.5, 5 * std::sqrt(1.0 / 12 / kSteps));  // Beta(1, 1) is uniform.
    EXPECT_NEAR(square, 1.0 / 12, 0.008);
  }
}

TEST_F(BlendTest, CutmixPastesARectangleOfTheLabelsShare) {
  const Augmenter augmenter = MakeAugmenter({"cutmix {}"}, kShape);
  int pasted_steps = 0;
  for (uint64_t step = 0; step < 300; ++step) {
    const Minibatch result = Blend(augmenter, step);
    for (int64_t i = 0; i < kCount; ++i) {
      const int64_t j = pairing_.partner[i];
      if (i == j) continue;
      int64_t pasted = 0, top = 8, bottom = -1, left = 8, right = -1;
      for (int64_t p = 0; p < 64; ++p) {
        const float value = result.examples[i * kElements + p];
        ASSERT_TRUE(value == static_cast<float>(i) || value == static_cast<float>(j));
        ASSERT_EQ(value, result.examples[i * kElements + 128 + p]) << "all channels alike";
        if (value != static_cast<float>(j)) continue;
        ++pasted;
        top = std::min(top, p / 8);
        bottom = std::max(bottom, p / 8);
        left = std::min(left, p % 8);
        right = std::max(right, p % 8);
      }
      ASSERT_EQ(pasted, pasted == 0 ? 0 : (bottom - top + 1) * (right - left + 1)) << "a rectangle";
      ASSERT_NEAR(pairing_.weight[i], 1 - static_cast<double>(pasted) / 64, 1e-6);
      ASSERT_NEAR(std::accumulate(result.targets + i * kOutputs, result.targets + (i + 1) * kOutputs, 0.0f), 1, 1e-6);
      pasted_steps += pasted > 0 ? 1 : 0;
    }
  }
  EXPECT_GT(pasted_steps, 1500);
}

TEST_F(BlendTest, NothingIsBlendedWithoutProbability) {
  const Augmenter augmenter = MakeAugmenter({"mixup {} probability: 0", "cutmix {} probability: 0"}, kShape);
  const Minibatch result = Blend(augmenter, 5);
  for (int64_t i = 0; i < kCount; ++i) {
    EXPECT_EQ(result.examples[i * kElements], static_cast<float>(i));
    EXPECT_EQ(result.targets[i * kOutputs + i % kOutputs], 1);
  }
}

}  // namespace
}  // namespace traind::core
