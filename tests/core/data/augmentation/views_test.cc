#include "core/data/augmentation/views.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/core/data/augmentation/helpers.h"
#include "tests/support/text_proto.h"

namespace traind::core {
namespace {

using ::testing::HasSubstr;

Views Make(const std::string& text, const Shape& image, const Shape& input) {
  FieldErrors::Root errors;
  Views views = Views::Create(FromText<v1::TestTime>(text), image, input, errors.scope("test_time"));
  EXPECT_TRUE(errors.ok()) << errors.ToStatus();
  return views;
}

std::string Errors(const std::string& text, const Shape& image, const Shape& input) {
  FieldErrors::Root errors;
  Views::Create(FromText<v1::TestTime>(text), image, input, errors.scope("test_time"));
  return std::string(errors.ToStatus().message());
}

std::vector<uint8_t> Look(const Views& views, int64_t view, const std::vector<uint8_t>& pixels, const Shape& shape) {
  std::vector<uint8_t> result(static_cast<size_t>(Elements(views.input())));
  Resampler resampler;
  views.Reserve(resampler);
  views.Apply(view, ImageIn(pixels, shape), resampler, ImageIn(result, views.input()));
  return result;
}

TEST(ViewsTest, WithoutConfigTheImageAsItIs) {
  EXPECT_TRUE(Make("", {3, 8, 8}, {3, 8, 8}).plain());
  EXPECT_TRUE(Make("dropout_samples: 5", {7}, {7}).plain());
  EXPECT_EQ(Make("", {7}, {7}).count(), 1);
}

// At the image's own size crops are exact cuts: the four corners, the centre, and their mirror images.
TEST(ViewsTest, FiveCropsAndFlips) {
  const Shape shape = {2, 7, 9};
  const auto image = Pattern<uint8_t>(shape);
  const Views views = Make("scales: 7 five_crops: true flips: true", shape, {2, 4, 5});
  ASSERT_EQ(views.count(), 10);
  const std::vector<std::pair<int, int>> places = {{1, 2}, {0, 0}, {0, 4}, {3, 0}, {3, 4}};
  for (int64_t view = 0; view < 10; ++view) {
    const auto [top, left] = places[view / 2];
    const auto result = Look(views, view, image, shape);
    for (int c = 0; c < 2; ++c) {
      for (int y = 0; y < 4; ++y) {
        for (int x = 0; x < 5; ++x) {
          const int column = view % 2 == 0 ? x : 4 - x;
          EXPECT_EQ(result[(c * 4 + y) * 5 + x], image[(c * 7 + top + y) * 9 + left + column]) << view;
        }
      }
    }
  }
}

TEST(ViewsTest, EachScaleHasItsCrops) {
  const Views views = Make("scales: [32, 40, 64] five_crops: true", {3, 48, 32}, {3, 28, 28});
  EXPECT_EQ(views.count(), 15);
  const std::vector<uint8_t> plain(3 * 48 * 32, 9);
  for (int64_t view = 0; view < 15; ++view) {
    EXPECT_THAT(Look(views, view, plain, {3, 48, 32}), testing::Each(9));
  }
}

// What training crops to another size is seen whole, as far as the shape allows.
TEST(ViewsTest, CoversTheInputWithoutScales) {
  const Shape shape = {1, 4, 8};
  std::vector<uint8_t> image(32);
  for (int i = 0; i < 32; ++i) image[i] = static_cast<uint8_t>(10 * (i % 8));
  const Views views = Make("", shape, {1, 2, 2});
  ASSERT_EQ(views.count(), 1);
  // Resized to [2, 4], of which columns 1 and 2 are the centre: pixels (2, 3) and (4, 5), with their neighbours.
  const auto result = Look(views, 0, image, shape);
  EXPECT_EQ(result, (std::vector<uint8_t>{25, 45, 25, 45}));
}

TEST(ViewsTest, SaysWhatIsWrong) {
  EXPECT_THAT(Errors("flips: true", {8}, {8}), HasSubstr("scales, five_crops and flips need images"));
  EXPECT_THAT(Errors("scales: 20", {3, 32, 32}, {3, 28, 28}), HasSubstr("test_time.scales[0]: must be 28"));
  EXPECT_THAT(Errors("scales: [30, 0]", {3, 32, 32}, {3, 28, 28}), HasSubstr("test_time.scales[1]"));
  EXPECT_THAT(Errors("scales: 4000000000", {3, 32, 32}, {3, 28, 28}), HasSubstr("to 16384"));
  EXPECT_THAT(Errors("five_crops: true", {3, 28, 28}, {3, 28, 28}), HasSubstr("give scales above 28"));
  EXPECT_THAT(Errors("", {1, 28, 28}, {3, 28, 28}), HasSubstr("the network's input is [3, 28, 28]"));
}

}  // namespace
}  // namespace traind::core
