// Vertical flip, random erasing, noise, blur, and what draws one of several, against their definitions.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/core/data/augmentation/helpers.h"
#include "tests/core/data/split_builder.h"

namespace traind::core {
namespace {

using ::testing::HasSubstr;

// The fields of the violations that a list has for images of this shape.
std::vector<std::string> Complaints(const std::vector<std::string>& texts, const Shape& shape) {
  Augmenter::Config config = ParseAugmentation(texts);
  FieldErrors::Root errors;
  Augmenter::Create(&config, &shape, errors.scope("data"));
  std::vector<std::string> fields;
  for (const auto& violation : errors.violations().field_violations()) fields.push_back(violation.field());
  return fields;
}

double MostOff(double rate, int draws) { return 5 * std::sqrt(rate * (1 - rate) / draws); }

TEST(VerticalFlipTest, TurnsTheRowsAround) {
  const Shape shape = {2, 3, 4};
  const auto image = Pattern<uint8_t>(shape);
  Augmented<uint8_t> flip({"vertical_flip {}"}, shape);
  int flipped = 0;
  for (uint32_t example = 0; example < 2000; ++example) {
    const auto result = flip(image, example);
    if (result == image) continue;
    ++flipped;
    for (int64_t c = 0; c < 2; ++c) {
      for (int64_t i = 0; i < 3; ++i) {
        for (int64_t j = 0; j < 4; ++j) {
          ASSERT_EQ(result[(c * 3 + i) * 4 + j], image[(c * 3 + 2 - i) * 4 + j]);
        }
      }
    }
  }
  EXPECT_NEAR(flipped / 2000.0, 0.5, MostOff(0.5, 2000));
}

TEST(RandomErasingTest, CoversOneRectangleWithinItsLimits) {
  const Shape shape = {1, 24, 30};
  const std::vector<uint8_t> ones(720, 1);
  Augmented<uint8_t> erase({"random_erasing { min_area: 0.1 max_area: 0.3 min_aspect: 0.5 fill: FILL_ZERO }"}, shape);
  int erased = 0;
  double area = 0, log_aspect = 0;
  for (uint32_t example = 0; example < 4000; ++example) {
    const auto result = erase(ones, example);
    int64_t top = 24, bottom = -1, left = 30, right = -1, count = 0;
    for (int64_t i = 0; i < 720; ++i) {
      if (result[i] != 0) continue;
      top = std::min(top, i / 30);
      bottom = std::max(bottom, i / 30);
      left = std::min(left, i % 30);
      right = std::max(right, i % 30);
      ++count;
    }
    if (count == 0) continue;
    ++erased;
    const auto height = static_cast<double>(bottom - top + 1), width = static_cast<double>(right - left + 1);
    ASSERT_EQ(static_cast<double>(count), height * width);
    // Rounding moves each side by half a pixel at most.
    ASSERT_GE((height + 0.5) * (width + 0.5), 0.1 * 720);
    ASSERT_LE((height - 0.5) * (width - 0.5), 0.3 * 720);
    ASSERT_GE((width + 0.5) / (height - 0.5), 0.5);
    ASSERT_LE((width - 0.5) / (height + 0.5), 1 / 0.3);
    area += height * width / 720;
    log_aspect += std::log(width / height);
  }
  EXPECT_NEAR(erased / 4000.0, 0.5, MostOff(0.5, 4000));
  EXPECT_NEAR(area / erased, 0.2, 0.01);  // Uniform; large ones that do not fit are drawn again.
  EXPECT_NEAR(log_aspect / erased, (std::log(0.5) + std::log(1 / 0.3)) / 2, 0.06);
}

TEST(RandomErasingTest, LearnsItsNoise) {
  constexpr int kImages = 40;
  SplitBuilder builder;
  std::vector<float> pixels;
  for (int i = 0; i < kImages * 16; ++i) pixels.push_back(3 + 2 * std::sin(static_cast<float>(i)));
  const Split split =
      builder.Make<float>({kImages, 1, 4, 4}, pixels, SplitBuilder::Labels(std::vector<int32_t>(kImages, 0)));
  Augmented<float> erase({"random_erasing { min_area: 1 max_area: 1 min_aspect: 1 max_aspect: 1 } probability: 1"},
                         {1, 4, 4});
  ASSERT_TRUE(erase.augmenter().Fit(AsStored(split)).ok());
  double mean = 0, square = 0;
  for (uint32_t example = 0; example < 500; ++example) {
    for (const float value : erase(std::vector<float>(16), example)) {
      mean += value / 8000.0;
      square += (value - 3) * (value - 3) / 8000.0;
    }
  }
  EXPECT_NEAR(mean, 3, 0.1);
  EXPECT_NEAR(square, 2, 0.15);  // Of 2 sin: 4 / 2.
  Augmented<float> resumed({"random_erasing { min_area: 1 max_area: 1 min_aspect: 1 max_aspect: 1 } probability: 1"},
                           {1, 4, 4});
  ASSERT_TRUE(resumed.augmenter().Load(erase.augmenter().parameters()).ok());
  EXPECT_EQ(resumed(std::vector<float>(16), 3), erase(std::vector<float>(16), 3));
}

TEST(GaussianNoiseTest, HasItsStandardDeviation) {
  const Shape shape = {3, 20, 20};
  Augmented<float> noise({"gaussian_noise { std: 0.2 }"}, shape);
  Augmented<uint8_t> of_bytes({"gaussian_noise { std: 0.04 }"}, shape);
  double mean = 0, square = 0, byte_mean = 0, byte_square = 0;
  constexpr int kExamples = 20, kNumbers = kExamples * 1200;
  for (uint32_t example = 0; example < kExamples; ++example) {
    for (const float value : noise(std::vector<float>(1200, 7), example)) {
      mean += (value - 7.0) / kNumbers;
      square += (value - 7.0) * (value - 7.0) / kNumbers;
    }
    for (const uint8_t value : of_bytes(std::vector<uint8_t>(1200, 128), example)) {
      byte_mean += (value - 128.0) / kNumbers;
      byte_square += (value - 128.0) * (value - 128.0) / kNumbers;
    }
  }
  EXPECT_NEAR(mean, 0, 5 * 0.2 / std::sqrt(kNumbers));
  EXPECT_NEAR(square, 0.04, 5 * 0.04 * std::sqrt(2.0 / kNumbers));
  EXPECT_NEAR(byte_mean, 0, 5 * 10.2 / std::sqrt(kNumbers));
  EXPECT_NEAR(byte_square, 10.2 * 10.2 + 1.0 / 12, 5 * 104 * std::sqrt(2.0 / kNumbers));  // And the rounding's.
}

TEST(GaussianBlurTest, FollowsScipy) {
  const std::vector<std::pair<double, std::vector<double>>> recorded = {
#include "tests/core/data/augmentation/recorded_blur.inc"
  };
  const Shape shape = {2, 7, 9};
  ASSERT_EQ(recorded.size(), 3u);
  for (const auto& [sigma, blurred] : recorded) {
    const std::string text = absl::StrCat("gaussian_blur { min_sigma: ", sigma, " max_sigma: ", sigma, " }");
    Augmented<float> blur({text}, shape);
    Augmented<uint8_t> of_bytes({text}, shape);
    const auto floats = blur(Pattern<float>(shape), 0);
    const auto bytes = of_bytes(Pattern<uint8_t>(shape), 0);
    for (size_t i = 0; i < blurred.size(); ++i) {
      EXPECT_NEAR(floats[i], blurred[i], 1e-3) << sigma << " " << i;
      EXPECT_NEAR(bytes[i], blurred[i], 0.501) << sigma << " " << i;
    }
  }
}

TEST(OneOfTest, DrawsByWeight) {
  const Shape shape = {1, 6, 6};
  const auto image = Pattern<uint8_t>(shape);
  Augmented<uint8_t> one({"one_of { choices { horizontal_flip {} probability: 1 } choices { vertical_flip {} } "
                          "choices { rotate { max_degrees: 90 } } weights: [1, 2, 1] } probability: 0.8"},
                         shape);
  std::vector<uint8_t> across = image, down = image;
  for (int i = 0; i < 6; ++i) {
    for (int j = 0; j < 6; ++j) {
      across[i * 6 + j] = image[i * 6 + 5 - j];
      down[i * 6 + j] = image[(5 - i) * 6 + j];
    }
  }
  constexpr int kDraws = 4000;
  std::map<std::string, double> share;
  for (uint32_t example = 0; example < kDraws; ++example) {
    const auto result = one(image, example);
    share[result == image ? "none" : result == across ? "across" : result == down ? "down" : "turned"] += 1.0 / kDraws;
  }
  EXPECT_NEAR(share["across"], 0.2, MostOff(0.2, kDraws));
  EXPECT_NEAR(share["down"], 0.2, MostOff(0.2, kDraws));  // Half of the time it comes.
  EXPECT_NEAR(share["turned"], 0.2, MostOff(0.2, kDraws));
  EXPECT_NEAR(share["none"], 0.4, MostOff(0.4, kDraws));
}

TEST(OneOfTest, LearnsForEachChoice) {
  SplitBuilder builder;
  std::vector<float> pixels;
  for (int i = 0; i < 64; ++i) pixels.push_back(static_cast<float>(i));
  const Split split = builder.Make<float>({4, 1, 4, 4}, pixels, SplitBuilder::Labels({0, 0, 0, 0}));
  const std::string text =
      "one_of { choices { horizontal_flip {} } choices { cutout { size: 4 } } choices { random_erasing {} } }";
  Augmented<float> one({text}, {1, 4, 4});
  ASSERT_TRUE(one.augmenter().Fit(AsStored(split)).ok());
  const std::vector<Tensor> learned = one.augmenter().parameters();
  ASSERT_EQ(learned.size(), 4u);
  EXPECT_EQ(learned[0].name, "augmentation.0.choices.1.mean");
  EXPECT_FLOAT_EQ(learned[0].values[0], 31.5f);
  EXPECT_EQ(learned[3].name, "augmentation.0.choices.2.std");
  Augmented<float> resumed({text}, {1, 4, 4});
  ASSERT_TRUE(resumed.augmenter().Load(learned).ok());
  for (uint32_t example = 0; example < 30; ++example) {
    EXPECT_EQ(resumed(std::vector<float>(16), example), one(std::vector<float>(16), example));
  }
  EXPECT_THAT(resumed.augmenter().Load({}).message(), HasSubstr("augmentation.0.choices.1.mean is missing"));
}

// Mixup leaves every pixel of an example the same, cutmix has pixels of two.
TEST(OneOfTest, DrawsMixupOrCutmixForEachStep) {
  const Augmenter augmenter =
      MakeAugmenter({"one_of { choices { mixup { alpha: 1 } } choices { cutmix {} } weights: [3, 1] }"}, {1, 8, 8});
  EXPECT_TRUE(augmenter.blends());
  constexpr int64_t kCount = 6, kElements = 64, kOutputs = 3;
  constexpr int kSteps = 1000;
  int mixed = 0, cut = 0;
  BatchAugmentation::Pairing pairing;
  for (uint64_t step = 0; step < kSteps; ++step) {
    std::vector<float> x(kCount * kElements), t(kCount * kOutputs), spare_x(x.size()), spare_t(t.size());
    for (int64_t i = 0; i < kCount; ++i) {
      std::fill_n(x.begin() + i * kElements, kElements, static_cast<float>(i));
      t[i * kOutputs + i % kOutputs] = 1;
    }
    const Minibatch result = augmenter.Blend({kCount, kElements, kOutputs, x.data(), t.data()},
                                             {kCount, kElements, kOutputs, spare_x.data(), spare_t.data()},
                                             {.seed = 3, .step = step}, pairing);
    bool between = false, patched = false;
    for (int64_t i = 0; i < kCount; ++i) {
      const float* pixels = result.examples + i * kElements;
      patched |= std::any_of(pixels, pixels + kElements, [&](float v) { return v != pixels[0]; });
      between |= pixels[0] != std::floor(pixels[0]);
      double sum = 0;
      for (int64_t c = 0; c < kOutputs; ++c) sum += result.targets[i * kOutputs + c];
      ASSERT_NEAR(sum, 1, 1e-6);
    }
    ASSERT_FALSE(patched && between);
    mixed += between ? 1 : 0;
    cut += patched ? 1 : 0;
  }
  EXPECT_NEAR(mixed / double{kSteps}, 0.75, MostOff(0.75, kSteps));
  // A rectangle without an area, or as large as the image, shows nothing.
  EXPECT_NEAR(cut / double{kSteps}, 0.25, MostOff(0.25, kSteps) + 0.02);
}

TEST(OneOfTest, NamesWhatIsWrong) {
  const Shape shape = {3, 8, 8};
  const auto fields = [&](const std::string& text) { return Complaints({"one_of { " + text + " }"}, shape); };
  const std::string flip = "choices { horizontal_flip {} } ", at = "data.augmentation[0].one_of.";
  EXPECT_THAT(fields(flip), testing::ElementsAre(at + "choices"));
  EXPECT_THAT(fields(flip + flip + "weights: 1"), testing::ElementsAre(at + "weights"));
  EXPECT_THAT(fields(flip + flip + "weights: [0, 0]"), testing::ElementsAre(at + "weights"));
  EXPECT_THAT(fields(flip + flip + "weights: [1, nan]"), testing::ElementsAre(at + "weights[1]"));
  EXPECT_THAT(fields(flip + "choices { mixup {} }"), testing::ElementsAre(at + "choices"));
  EXPECT_THAT(fields(flip + "choices { rotate {} }"), testing::ElementsAre(at + "choices[1].rotate.max_degrees"));
  EXPECT_THAT(fields(flip + "choices { one_of { choices {} } }"), testing::ElementsAre(at + "choices[1].one_of"));
  EXPECT_THAT(fields(flip + "choices { horizontal_flip {} probability: 2 }"),
              testing::ElementsAre(at + "choices[1].probability"));
  EXPECT_THAT(fields(flip + "choices { random_resized_crop { height: 4 width: 4 } }"),
              testing::ElementsAre(at + "choices[1].random_resized_crop"));
  EXPECT_THAT(fields(flip + "choices { cutout { size: 99 } }"), testing::ElementsAre(at + "choices[1].cutout.size"));
  EXPECT_THAT(fields(flip + "choices { rand_augment {} }"), testing::IsEmpty());
}

// Linear between the pixels, zero outside; `a` maps a place of the result, from the centre, to one of the image.
std::vector<double> Bent(const std::vector<float>& image, int64_t side, const std::array<double, 6>& a) {
  const double centre = static_cast<double>(side - 1) / 2;
  std::vector<double> result;
  for (int64_t i = 0; i < side; ++i) {
    for (int64_t j = 0; j < side; ++j) {
      const double x = static_cast<double>(j) - centre, y = static_cast<double>(i) - centre;
      const double u = a[0] * x + a[1] * y + a[2] + centre, v = a[3] * x + a[4] * y + a[5] + centre;
      double sum = 0;
      for (int64_t r = 0; r < side; ++r) {
        for (int64_t c = 0; c < side; ++c) {
          const double near_x = 1 - std::abs(u - static_cast<double>(c)),
                       near_y = 1 - std::abs(v - static_cast<double>(r));
          if (near_x > 0 && near_y > 0) sum += near_x * near_y * double{image[r * side + c]};
        }
      }
      result.push_back(sum);
    }
  }
  return result;
}

// All results of rand_augment with one operation at its strongest, of one channel: eight operations, the identity among
// them, in two directions.
TEST(RandAugmentTest, DrawsEachOperationAsOftenAsItIsStrong) {
  constexpr int64_t kSide = 9;
  const Shape shape = {1, kSide, kSide};
  const auto image = Pattern<float>(shape);
  double mean = 0;
  for (const float v : image) mean += double{v} / 81;
  std::map<std::string, std::vector<double>> expected;
  for (const double sign : {1.0, -1.0}) {
    const std::string which = sign > 0 ? "+" : "-";
    const double angle = sign * M_PI / 6, c = std::cos(angle), s = std::sin(angle), shift = sign * 150 / 331 * kSide;
    expected["shear_x" + which] = Bent(image, kSide, {1, sign * 0.3, 0, 0, 1, 0});
    expected["shear_y" + which] = Bent(image, kSide, {1, 0, 0, sign * 0.3, 1, 0});
    expected["translate_x" + which] = Bent(image, kSide, {1, 0, shift, 0, 1, 0});
    expected["translate_y" + which] = Bent(image, kSide, {1, 0, 0, 0, 1, shift});
    expected["rotate" + which] = Bent(image, kSide, {c, -s, 0, s, c, 0});
    for (const float v : image) {
      expected["brightness" + which].push_back((1 + sign * 0.9) * double{v});
      expected["contrast" + which].push_back(mean + (1 + sign * 0.9) * (double{v} - mean));
    }
  }
  for (const float v : image) expected["identity"].push_back(double{v});

  Augmented<float> augment({"rand_augment { operations: 1 magnitude: 30 }"}, shape);
  constexpr int kDraws = 3200;
  std::map<std::string, int> seen;
  for (uint32_t example = 0; example < kDraws; ++example) {
    const auto result = augment(image, example);
    for (const auto& [name, pixels] : expected) {
      double off = 0;
      for (size_t i = 0; i < pixels.size(); ++i) off = std::max(off, std::abs(result[i] - pixels[i]));
      if (off < 1e-3) ++seen[name];
    }
  }
  ASSERT_EQ(seen.size(), 15u);
  int all = 0;
  for (const auto& [name, count] : seen) {
    const double rate = name == "identity" ? 1.0 / 8 : 1.0 / 16;
    EXPECT_NEAR(count / double{kDraws}, rate, MostOff(rate, kDraws)) << name;
    all += count;
  }
  EXPECT_EQ(all, kDraws);
}

TEST(RandAugmentTest, OfNoMagnitudeChangesNothing) {
  const Shape shape = {3, 8, 8};
  const auto image = Pattern<uint8_t>(shape);
  Augmented<uint8_t> augment({"rand_augment { operations: 8 magnitude: 0 }"}, shape);
  for (uint32_t example = 0; example < 100; ++example) EXPECT_EQ(augment(image, example), image);
  EXPECT_THAT(Complaints({"rand_augment { magnitude: 31 }"}, shape),
              testing::ElementsAre("data.augmentation[0].rand_augment.magnitude"));
  EXPECT_THAT(Complaints({"rand_augment {}"}, {2, 8, 8}), testing::ElementsAre("data.augmentation[0].rand_augment"));
}

// Brightness is the only operation that changes a constant image of one channel but leaves it constant.
TEST(TrivialAugmentTest, StrengthIsOneOfThirtyOne) {
  const Shape shape = {1, 6, 6};
  Augmented<float> augment({"trivial_augment { border: BORDER_EDGE }"}, shape);
  std::map<int, int> levels;
  for (uint32_t example = 0; example < 12000; ++example) {
    const auto result = augment(std::vector<float>(36, 1), example);
    for (const float v : result) ASSERT_NEAR(v, result[0], 1e-5);
    const double level = (double{result[0]} - 1) / 0.99 * 30;
    ASSERT_NEAR(level, std::round(level), 1e-3);
    ++levels[static_cast<int>(std::lround(level))];
  }
  EXPECT_EQ(levels.size(), 61u);
  EXPECT_EQ(levels.begin()->first, -30);
}

}  // namespace
}  // namespace traind::core
