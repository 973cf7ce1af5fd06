#include "core/data/augmentation/views.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"

namespace traind::core {
namespace {

// A bound on the short side of the resized image, far above use.
constexpr uint32_t kMaxScale = 16384;
// The API's most, far above use.
constexpr int kMaxScales = 16;

struct Size {
  int64_t height;
  int64_t width;
};

// Of an image whose short side has become `side`.
Size Resized(const Shape& image, int64_t side) {
  const double scale = static_cast<double>(side) / static_cast<double>(std::min(image[1], image[2]));
  return {std::llround(static_cast<double>(image[1]) * scale), std::llround(static_cast<double>(image[2]) * scale)};
}

// The smallest short side whose image covers the input.
int64_t CoveringSide(const Shape& image, const Shape& input) {
  const auto covers = [&](int64_t side) {
    const Size size = Resized(image, side);
    return size.height >= input[1] && size.width >= input[2];
  };
  int64_t low = 0;
  int64_t high = std::max(input[1], input[2]);  // The short side as long as the longest of the input does.
  while (high - low > 1) {
    const int64_t middle = (low + high) / 2;
    (covers(middle) ? high : low) = middle;
  }
  return high;
}

}  // namespace

Views Views::Create(const v1::TestTime& config, const Shape& image, const Shape& input, const FieldErrors& errors) {
  Views views;
  views.image_ = image;
  views.input_ = input;
  const bool several = config.scales_size() > 0 || config.five_crops() || config.flips();
  if (image == input && !several) return views;
  if (image.size() != 3 || input.size() != 3 || image[0] != input[0]) {
    errors.Add(several
                   ? absl::StrCat("scales, five_crops and flips need images; the examples are ", ToString(image))
                   : absl::StrCat("the examples are ", ToString(image), ", the network's input is ", ToString(input)));
    return views;
  }
  std::vector<int64_t> sides(config.scales().begin(), config.scales().end());
  if (sides.size() > kMaxScales) {
    errors.At("scales").Add(absl::StrCat("at most ", kMaxScales, " scales"));
    return views;
  }
  bool fits = true;
  for (int i = 0; i < config.scales_size(); ++i) {
    const uint32_t side = config.scales(i);
    const Size size = Resized(image, std::min(side, kMaxScale));
    if (side <= kMaxScale && side > 0 && size.height >= input[1] && size.width >= input[2]) continue;
    errors.At("scales", i)
        .Add(absl::StrCat("must be ", CoveringSide(image, input), ", with which ", ToString(image),
                          " covers the network's input ", ToString(input), ", to ", kMaxScale, ", not ", side));
    fits = false;
  }
  if (!fits) return views;
  if (sides.empty()) sides.push_back(CoveringSide(image, input));
  bool room = false;
  for (int64_t side : sides) {
    const Size size = Resized(image, side);
    const int64_t down = size.height - input[1];
    const int64_t right = size.width - input[2];
    room |= down + right > 0;
    std::vector<std::pair<int64_t, int64_t>> places = {{down / 2, right / 2}};
    if (config.five_crops()) places.insert(places.end(), {{0, 0}, {0, right}, {down, 0}, {down, right}});
    const double y = static_cast<double>(image[1]) / static_cast<double>(size.height);
    const double x = static_cast<double>(image[2]) / static_cast<double>(size.width);
    for (const auto& [top, left] : places) {
      const Box box{static_cast<double>(left) * x, static_cast<double>(top) * y, static_cast<double>(input[2]) * x,
                    static_cast<double>(input[1]) * y};
      views.views_.push_back({box, false});
      if (config.flips()) views.views_.push_back({box, true});
    }
  }
  if (config.five_crops() && !room) {
    errors.At("five_crops")
        .Add(absl::StrCat("the five crops are the same: the image is no larger than the network's input ",
                          ToString(input), "; give scales above ", CoveringSide(image, input)));
  }
  return views;
}

void Views::Reserve(Resampler& resampler) const {
  if (!plain()) resampler.Reserve(image_[1], image_[2], input_[1], input_[2]);
}

void Views::Apply(int64_t view, const ImageView& image, Resampler& resampler, const ImageView& to) const {
  resampler.Run(image, views_[view].box, to);
  if (!views_[view].flip) return;
  WithPixelType(to.type, [&](auto pixel) {
    auto* row = to.pixels<decltype(pixel)>();
    for (int64_t i = 0; i < to.channels * to.height; ++i, row += to.width) std::reverse(row, row + to.width);
  });
}

}  // namespace traind::core
