// Where the pixels of an augmented image come from, against independent references on small images.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <vector>

#include "core/kinds/resample.h"
#include "tests/core/data/augmentation/helpers.h"

namespace traind::core {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

const Shape kShape = {3, 6, 7};

// The pixel of an endless image, by walking: reflect turns round at the ends.
float Beyond(const std::vector<float>& image, const Shape& shape, int64_t c, int64_t y, int64_t x, v1::Border border) {
  const auto place = [&](int64_t i, int64_t n) -> int64_t {
    if (border == v1::BORDER_EDGE) return i < 0 ? 0 : i < n ? i : n - 1;
    if (border == v1::BORDER_ZERO) return i >= 0 && i < n ? i : -1;
    int64_t at = 0, direction = 1;
    for (int64_t k = 0; k < std::abs(i); ++k) {
      if (at + direction < 0 || at + direction >= n) direction = -direction;
      at += n > 1 ? direction : 0;
    }
    return at;
  };
  const int64_t row = place(y, shape[1]), column = place(x, shape[2]);
  return row < 0 || column < 0 ? 0 : image[(c * shape[1] + row) * shape[2] + column];
}

// Bilinear reading with weights max(0, 1 - |distance|) over all pixels around: slow and plain.
float Read(const std::vector<float>& image, const Shape& shape, int64_t c, double y, double x, v1::Border border) {
  double sum = 0;
  for (auto i = static_cast<int64_t>(std::floor(y)) - 1; i <= std::floor(y) + 2; ++i) {
    for (auto j = static_cast<int64_t>(std::floor(x)) - 1; j <= std::floor(x) + 2; ++j) {
      const double weight = std::max(0.0, 1 - std::abs(y - static_cast<double>(i))) *
                            std::max(0.0, 1 - std::abs(x - static_cast<double>(j)));
      if (weight > 0) sum += weight * double{Beyond(image, shape, c, i, j, border)};
    }
  }
  return static_cast<float>(sum);
}

TEST(GeometryTest, FlipMirrorsEachRowAndTwiceIsNothing) {
  const auto image = Pattern<uint8_t>(kShape);
  Augmented<uint8_t> once({"horizontal_flip {} probability: 1"}, kShape);
  Augmented<uint8_t> twice({"horizontal_flip {} probability: 1", "horizontal_flip {} probability: 1"}, kShape);
  const auto mirrored = once(image, 0);
  for (int64_t row = 0; row < 3 * 6; ++row) {
    for (int64_t x = 0; x < 7; ++x) EXPECT_EQ(mirrored[row * 7 + x], image[row * 7 + 6 - x]);
  }
  EXPECT_EQ(twice(image, 0), image);
}

TEST(GeometryTest, PadAndCropIsAShiftOfThePaddedImage) {
  const auto image = Pattern<float>(kShape);
  for (const char* border : {"BORDER_ZERO", "BORDER_EDGE", "BORDER_REFLECT"}) {
    v1::Border value = v1::BORDER_ZERO;
    ASSERT_TRUE(v1::Border_Parse(border, &value));
    Augmented<float> crop({absl::StrCat("pad_and_crop { padding: 3 border: ", border, " }")}, kShape);
    std::map<std::pair<int64_t, int64_t>, int> seen;
    for (uint32_t example = 0; example < 800; ++example) {
      const auto result = crop(image, example);
      int matches = 0;
      for (int64_t dy = -3; dy <= 3; ++dy) {
        for (int64_t dx = -3; dx <= 3; ++dx) {
          bool same = true;
          for (int64_t c = 0; c < 3; ++c) {
            for (int64_t y = 0; y < 6; ++y) {
              for (int64_t x = 0; x < 7; ++x) {
                same = same && result[(c * 6 + y) * 7 + x] == Beyond(image, kShape, c, y + dy, x + dx, value);
              }
            }
          }
          if (same) ++seen[{dy, dx}];
          matches += same ? 1 : 0;
        }
      }
      ASSERT_EQ(matches, 1) << border;
    }
    EXPECT_EQ(seen.size(), 49u) << "every place occurs";
  }
}

TEST(GeometryTest, WarpReadsBetweenThePixels) {
  const auto image = Pattern<float>(kShape);
  const Affine map{.xx = 0.9, .xy = -0.4, .x = 1.3, .yx = 0.3, .yy = 1.2, .y = -0.7};
  for (v1::Border border : {v1::BORDER_ZERO, v1::BORDER_EDGE, v1::BORDER_REFLECT}) {
    std::vector<float> result(image.size());
    Warp(ImageIn(image, kShape), border, map, ImageIn(result, kShape));
    for (int64_t c = 0; c < 3; ++c) {
      for (int64_t y = 0; y < 6; ++y) {
        for (int64_t x = 0; x < 7; ++x) {
          const double u = static_cast<double>(x) - 3, v = static_cast<double>(y) - 2.5;
          const float expected =
              Read(image, kShape, c, 0.3 * u + 1.2 * v - 0.7 + 2.5, 0.9 * u - 0.4 * v + 1.3 + 3, border);
          EXPECT_NEAR(result[(c * 6 + y) * 7 + x], expected, 1e-3) << c << " " << y << " " << x;
        }
      }
    }
  }
}

TEST(GeometryTest, ComposedMapsAreOneAfterTheOther) {
  const Affine a{.xx = 0.5, .xy = 2, .x = 1, .yx = -1, .yy = 3, .y = 4};
  const Affine b{.xx = 1.5, .xy = -2, .x = 3, .yx = 0.25, .yy = 1, .y = -5};
  const auto inner = b(2, 7);
  const auto outer = a(inner.x, inner.y);
  const auto composed = Compose(a, b)(2, 7);
  EXPECT_DOUBLE_EQ(composed.x, outer.x);
  EXPECT_DOUBLE_EQ(composed.y, outer.y);
}

TEST(GeometryTest, NothingMovesWithoutProbabilityOrStrength) {
  const auto image = Pattern<uint8_t>(kShape);
  for (const char* kind :
       {"horizontal_flip {}", "pad_and_crop {}", "rotate { max_degrees: 90 }", "stretch { max_factor: 2 }",
        "shear { max_degrees: 30 }", "translate { max_fraction: 0.5 }", "lens_distortion { max_strength: 0.5 }",
        "cutout { size: 3 }", "color_jitter { contrast: 0.5 hue: 0.5 }"}) {
    Augmented<uint8_t> never({absl::StrCat(kind, " probability: 0")}, kShape);
    for (uint32_t example = 0; example < 20; ++example) EXPECT_EQ(never(image, example), image) << kind;
  }
  for (const char* kind :
       {"rotate { max_degrees: 1e-9 }", "stretch { max_factor: 1.000000001 }", "shear { max_degrees: 1e-9 }",
        "lens_distortion { max_strength: 1e-9 border: BORDER_EDGE }",
        "color_jitter { contrast: 1e-9 brightness: 1e-9 saturation: 1e-9 hue: 1e-9 }",
        "random_resized_crop { min_area: 1 min_aspect: 1.1666666666667 max_aspect: 1.1666666666667 }",
        "scale_jitter { min_side: 6 max_side: 6 height: 6 width: 6 }"}) {
    const Shape square = {3, 6, 6};
    const bool crops = std::string(kind).find("scale_jitter") == 0;
    Augmented<uint8_t> weak({kind}, crops ? square : kShape);
    const auto same = Pattern<uint8_t>(crops ? square : kShape);
    for (uint32_t example = 0; example < 20; ++example) EXPECT_EQ(weak(same, example), same) << kind;
  }
}

// Angles, factors and strengths are read back from where a single bright pixel goes.
TEST(GeometryTest, RotateKeepsTheDistanceToTheCentre) {
  const Shape shape = {1, 41, 41};
  std::vector<float> image(41 * 41, 0.0f);
  image[20 * 41 + 32] = 100;  // 12 to the right of the centre.
  Augmented<float> rotate({"rotate { max_degrees: 40 }"}, shape);
  double least = 0, most = 0;
  for (uint32_t example = 0; example < 200; ++example) {
    const auto result = rotate(image, example);
    double mass = 0, x = 0, y = 0;
    for (int i = 0; i < 41 * 41; ++i) {
      mass += result[i];
      x += result[i] * (i % 41 - 20);
      y += result[i] * (i / 41 - 20);
    }
    ASSERT_NEAR(mass, 100, 25);
    x /= mass;
    y /= mass;
    EXPECT_NEAR(std::hypot(x, y), 12, 0.4);
    const double degrees = std::atan2(y, x) * 180 / M_PI;
    least = std::min(least, degrees);
    most = std::max(most, degrees);
  }
  EXPECT_GT(least, -42);
  EXPECT_LT(least, -37);
  EXPECT_GT(most, 37);
  EXPECT_LT(most, 42);
}

TEST(GeometryTest, TranslateMovesByWholePixels) {
  const Shape shape = {1, 10, 20};
  const auto image = Pattern<float>(shape);
  Augmented<float> translate({"translate { max_fraction: 0.2 border: BORDER_EDGE }"}, shape);
  std::set<std::pair<int64_t, int64_t>> seen;
  for (uint32_t example = 0; example < 600; ++example) {
    const auto result = translate(image, example);
    for (int64_t dy = -2; dy <= 2; ++dy) {
      for (int64_t dx = -4; dx <= 4; ++dx) {
        bool same = true;
        for (int64_t i = 0; i < 200 && same; ++i) {
          same = result[i] == Beyond(image, shape, 0, i / 20 + dy, i % 20 + dx, v1::BORDER_EDGE);
        }
        if (same) seen.insert({dy, dx});
      }
    }
  }
  EXPECT_EQ(seen.size(), 45u);
}

TEST(GeometryTest, LensDistortionMovesByTheCubeOfTheRadius) {
  const Shape shape = {1, 30, 40};  // Half the diagonal: 25.
  std::vector<float> image(1200);   // The x coordinate itself: what is read says from where.
  for (int i = 0; i < 1200; ++i) image[i] = static_cast<float>(i % 40);
  Augmented<float> lens({"lens_distortion { max_strength: 0.3 border: BORDER_EDGE }"}, shape);
  double least = 1, most = -1;
  for (uint32_t example = 0; example < 200; ++example) {
    const auto result = lens(image, example);
    const auto strength = [&](int x, int y) {
      const double u = x - 19.5, v = y - 14.5;
      return ((result[y * 40 + x] - 19.5) / u - 1) / ((u * u + v * v) / 625);
    };
    EXPECT_NEAR(strength(27, 9), strength(9, 21), 2e-4);
    least = std::min(least, strength(27, 9));
    most = std::max(most, strength(27, 9));
  }
  EXPECT_LT(least, -0.28);
  EXPECT_GE(least, -0.3001);
  EXPECT_GT(most, 0.28);
  EXPECT_LE(most, 0.3001);
}

TEST(ResamplerTest, ResizesLinearRampsExactlyAndKeepsTheMean) {
  Resampler resampler;
  resampler.Reserve(12, 16, 24, 32);
  std::vector<float> ramp(12 * 16);
  for (int i = 0; i < 12 * 16; ++i) ramp[i] = static_cast<float>(2 * (i % 16) + 5 * (i / 16));
  for (const auto& [height, width] : {std::pair{24, 32}, {6, 8}, {4, 4}}) {
    const Shape shape = {1, height, width};
    std::vector<float> result(height * width);
    resampler.Run(ImageIn(ramp, {1, 12, 16}), {0, 0, 16, 12}, ImageIn(result, shape));
    const double ys = 12.0 / height, xs = 16.0 / width;
    for (int y = 0; y < height; ++y) {
      for (int x = 0; x < width; ++x) {
        const double v = (y + 0.5) * ys - 0.5, u = (x + 0.5) * xs - 0.5;
        // At the edges the triangle is cut off.
        if (u < xs || v < ys || u > 15 - xs || v > 11 - ys) continue;
        EXPECT_NEAR(result[y * width + x], 2 * u + 5 * v, 1e-3) << height << ": " << y << " " << x;
      }
    }
  }
}

TEST(ResamplerTest, HalfTheSizeIsTheTriangleOfFour) {
  Resampler resampler;
  resampler.Reserve(1, 8, 1, 4);
  const std::vector<float> row = {8, 16, 0, 24, 32, 8, 0, 16};
  std::vector<float> half(4);
  resampler.Run(ImageIn(row, {1, 1, 8}), {0, 0, 8, 1}, ImageIn(half, {1, 1, 4}));
  // Weights 1/8, 3/8, 3/8, 1/8; at the ends 3/7, 3/7, 1/7.
  EXPECT_NEAR(half[0], (3 * 8 + 3 * 16 + 0) / 7.0, 1e-5);
  EXPECT_NEAR(half[1], (16 + 3 * 0 + 3 * 24 + 32) / 8.0, 1e-5);
  EXPECT_NEAR(half[2], (24 + 3 * 32 + 3 * 8 + 0) / 8.0, 1e-5);
  EXPECT_NEAR(half[3], (8 + 3 * 0 + 3 * 16) / 7.0, 1e-5);
}

TEST(GeometryTest, CropsHaveTheirSize) {
  const Shape shape = {3, 20, 30};
  Augmented<uint8_t> resized({"random_resized_crop { height: 9 width: 8 }"}, shape);
  Augmented<uint8_t> jitter({"scale_jitter { min_side: 12 max_side: 40 height: 9 width: 8 }"}, shape);
  const std::vector<uint8_t> plain(3 * 20 * 30, 77);
  for (auto* crop : {&resized, &jitter}) {
    EXPECT_THAT(crop->augmenter().output_shape(), ElementsAre(3, 9, 8));
    for (uint32_t example = 0; example < 50; ++example) {
      const auto result = (*crop)(plain, example);
      ASSERT_EQ(result.size(), 3u * 9 * 8);
      EXPECT_THAT(result, Each(77));
    }
  }
}

// A part of the image is seen with the scale that its area says: of ramps, the slopes.
TEST(GeometryTest, RandomResizedCropKeepsAreaAndAspectInRange) {
  const Shape shape = {2, 60, 60};
  std::vector<float> ramps(2 * 3600);
  for (int i = 0; i < 3600; ++i) {
    ramps[i] = static_cast<float>(i % 60);
    ramps[3600 + i] = static_cast<float>(i / 60);
  }
  Augmented<float> crop({"random_resized_crop { height: 20 width: 20 min_area: 0.2 max_area: 0.5 }"}, shape);
  double mean_area = 0;
  for (uint32_t example = 0; example < 500; ++example) {
    const auto result = crop(ramps, example);
    const double width = (result[10 * 20 + 12] - result[10 * 20 + 8]) / 4 * 20;
    const double height = (result[400 + 12 * 20 + 10] - result[400 + 8 * 20 + 10]) / 4 * 20;
    const double area = width * height / 3600;
    mean_area += area / 500;
    EXPECT_GT(area, 0.19);  // Whole pixels.
    EXPECT_LT(area, 0.52);
    EXPECT_GT(width / height, 0.75 * 0.95);
    EXPECT_LT(width / height, 1.05 / 0.75);
  }
  EXPECT_NEAR(mean_area, 0.35, 5 * 0.3 / std::sqrt(12 * 500.0));
}

// Two channels: x, and y, of each pixel. After a linear map the differences around the centre are its coefficients.
std::vector<float> Ramps(int64_t side) {
  std::vector<float> ramps(static_cast<size_t>(2 * side * side));
  for (int64_t i = 0; i < side * side; ++i) {
    ramps[static_cast<size_t>(i)] = static_cast<float>(i % side);
    ramps[static_cast<size_t>(side * side + i)] = static_cast<float>(i / side);
  }
  return ramps;
}
struct Slopes {
  double xx, xy, yx, yy;  // Of channel x along x and along y, of channel y likewise.
};
Slopes SlopesOf(const std::vector<float>& image, int64_t side) {
  const int64_t middle = side / 2;
  const auto at = [&](int64_t c, int64_t y, int64_t x) {
    return double{image[static_cast<size_t>((c * side + y) * side + x)]};
  };
  const auto along = [&](int64_t c, int64_t dy, int64_t dx) {
    return (at(c, middle + 2 * dy, middle + 2 * dx) - at(c, middle - 2 * dy, middle - 2 * dx)) / 4;
  };
  return {along(0, 0, 1), along(0, 1, 0), along(1, 0, 1), along(1, 1, 0)};
}

// The logarithms of both factors are uniform, and not one and the same number.
TEST(GeometryTest, StretchHasFactorsUniformInTheirLogarithm) {
  constexpr int kDraws = 1000;
  Augmented<float> stretch({"stretch { max_factor: 1.5 border: BORDER_EDGE }"}, {2, 31, 31});
  const double most = std::log(1.5);
  double sum[2] = {}, squares[2] = {}, product = 0;
  for (uint32_t example = 0; example < kDraws; ++example) {
    const Slopes slopes = SlopesOf(stretch(Ramps(31), example), 31);
    EXPECT_NEAR(slopes.xy, 0, 1e-4);
    EXPECT_NEAR(slopes.yx, 0, 1e-4);
    const double width = -std::log(slopes.xx), height = -std::log(slopes.yy);
    EXPECT_LE(std::max(std::abs(width), std::abs(height)), most + 1e-4);
    sum[0] += width;
    sum[1] += height;
    squares[0] += width * width;
    squares[1] += height * height;
    product += width * height;
  }
  for (int i : {0, 1}) {
    EXPECT_NEAR(sum[i] / kDraws, 0, 5 * most / std::sqrt(3.0 * kDraws));
    EXPECT_NEAR(squares[i] / kDraws, most * most / 3, 5 * most * most * 0.3 / std::sqrt(kDraws));
  }
  EXPECT_NEAR(product / kDraws, 0, 5 * most * most / 3 / std::sqrt(kDraws));
}

// Sideways or upwards, each half of the time, by an angle that is uniform.
TEST(GeometryTest, ShearSlantsOneWayOrTheOtherByAUniformAngle) {
  constexpr int kDraws = 1000;
  Augmented<float> shear({"shear { max_degrees: 20 border: BORDER_EDGE }"}, {2, 31, 31});
  const double most = 20 * M_PI / 180;
  int sideways = 0;
  double sum = 0, squares = 0;
  for (uint32_t example = 0; example < kDraws; ++example) {
    const Slopes slopes = SlopesOf(shear(Ramps(31), example), 31);
    EXPECT_NEAR(slopes.xx, 1, 1e-4);
    EXPECT_NEAR(slopes.yy, 1, 1e-4);
    EXPECT_NEAR(std::min(std::abs(slopes.xy), std::abs(slopes.yx)), 0, 1e-4) << "never both";
    sideways += std::abs(slopes.xy) > std::abs(slopes.yx) ? 1 : 0;
    const double angle = std::atan(slopes.xy + slopes.yx);
    EXPECT_LE(std::abs(angle), most + 1e-4);
    sum += angle;
    squares += angle * angle;
  }
  EXPECT_NEAR(sideways, kDraws / 2, 5 * std::sqrt(kDraws) / 2);
  EXPECT_NEAR(sum / kDraws, 0, 5 * most / std::sqrt(3.0 * kDraws));
  EXPECT_NEAR(squares / kDraws, most * most / 3, 5 * most * most * 0.3 / std::sqrt(kDraws));
}

// The short side becomes every length of the range, each as often: of ramps the slope is old over new.
TEST(GeometryTest, ScaleJitterDrawsEveryLengthOfItsRange) {
  constexpr int kDraws = 2000;
  Augmented<float> jitter({"scale_jitter { min_side: 24 max_side: 33 height: 11 width: 11 }"}, {2, 24, 24});
  std::map<int64_t, int> sides;
  for (uint32_t example = 0; example < kDraws; ++example) {
    const Slopes slopes = SlopesOf(jitter(Ramps(24), example), 11);
    EXPECT_NEAR(slopes.xx, slopes.yy, 1e-3);
    ++sides[std::lround(24 / slopes.xx)];
  }
  ASSERT_EQ(sides.size(), 10u);
  EXPECT_EQ(sides.begin()->first, 24);
  EXPECT_EQ(sides.rbegin()->first, 33);
  for (const auto& [side, count] : sides) EXPECT_NEAR(count, kDraws / 10, 5 * std::sqrt(kDraws / 10.0)) << side;
}

// Maps with one border are resampled once: out of the image and back loses nothing.
TEST(GeometryTest, MapsInARowAreOneMap) {
  const Shape shape = {1, 5, 5};
  std::vector<float> image = Pattern<float>(shape);
  for (float& pixel : image) pixel += 1;
  Augmented<float> twice({"translate { max_fraction: 1 }", "translate { max_fraction: 1 }"}, shape);
  int returned = 0;
  for (uint32_t example = 0; example < 100; ++example) {
    const auto result = twice(image, example);
    bool found = false;
    for (int64_t shift = 0; shift < 21 * 21 && !found; ++shift) {
      const int64_t dy = shift / 21 - 10, dx = shift % 21 - 10;
      found = true;
      for (int64_t i = 0; i < 25 && found; ++i) {
        found = result[i] == Beyond(image, shape, 0, i / 5 + dy, i % 5 + dx, v1::BORDER_ZERO);
      }
      returned += found && result[12] != 0 ? 1 : 0;
    }
    EXPECT_TRUE(found) << example;
  }
  EXPECT_GT(returned, 10);
}

}  // namespace
}  // namespace traind::core
