// Reading images between the pixels: resizing a part of an image, and bending it by a map of coordinates. Loops of our
// own: they need nothing but the pixels, allocate nothing, and round the same way everywhere.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "core/base/errors.h"
#include "core/kinds/image_view.h"
#include "traind/v1/augmentation.pb.h"

namespace traind::core {

// A part of an image, in pixels; the whole is {0, 0, width, height}.
struct Box {
  double x = 0;
  double y = 0;
  double width = 0;
  double height = 0;
};

// Resizes with a triangle filter: linear between the pixels where it enlarges, the weighted mean of all pixels covered
// where it shrinks. The same size gives the same pixels.
class Resampler {
 public:
  // Room for images of up to height x width and results of up to out_height x out_width.
  void Reserve(int64_t height, int64_t width, int64_t out_height, int64_t out_width);
  // Fills `to`, whose type and channels are those of `from`, with the part `box` of it.
  void Run(const ImageView& from, const Box& box, const ImageView& to);

 private:
  // The pixels along one axis that make one of the result, and their weights, which sum to one.
  struct Taps {
    struct Tap {
      int64_t first;
      int64_t count;
      size_t weights;  // Where they begin.
    };
    void Make(double begin, double length, int64_t in, int64_t out);
    std::vector<Tap> taps;
    std::vector<float> weights;
  };

  Taps rows_;
  Taps columns_;
  std::vector<float> row_;
};

// ZERO when it is unspecified; a value this build does not know is a violation of the field `border`.
v1::Border ResolveBorder(v1::Border border, const FieldErrors& errors);

// The pixel that stands at place i of n, or -1 for none (a zero).
inline int64_t BorderIndex(int64_t i, int64_t n, v1::Border border) {
  if (i >= 0 && i < n) return i;
  if (border == v1::BORDER_EDGE) return i < 0 ? 0 : n - 1;
  if (border != v1::BORDER_REFLECT) return -1;
  if (n == 1) return 0;
  const int64_t period = 2 * (n - 1);  // ... 2 1 | 0 1 2 ... n-1 | n-2 ...
  const int64_t folded = std::abs(i) % period;
  return std::min(folded, period - folded);
}

// Where a pixel of the result comes from, in coordinates from the centre of the image.
struct Affine {
  double xx = 1, xy = 0, x = 0;
  double yx = 0, yy = 1, y = 0;

  struct Point {
    double x, y;
  };
  Point operator()(double px, double py) const { return {xx * px + xy * py + x, yx * px + yy * py + y}; }
};

// The map p -> first(second(p)): the image bent by `first`, and the result by `second`.
inline Affine Compose(const Affine& first, const Affine& second) {
  const auto [x, y] = first(second.x, second.y);
  return {.xx = first.xx * second.xx + first.xy * second.yx,
          .xy = first.xx * second.xy + first.xy * second.yy,
          .x = x,
          .yx = first.yx * second.xx + first.yy * second.yx,
          .yy = first.yx * second.xy + first.yy * second.yy,
          .y = y};
}

// Each pixel of `to` is read from `from`, of the same size, at the place that map(x, y) says (both from the centre),
// linearly between the four pixels around it.
template <class T, class Map>
void WarpPixels(const ImageView& from, v1::Border border, const Map& map, const ImageView& to) {
  const int64_t height = from.height;
  const int64_t width = from.width;
  const double centre_x = static_cast<double>(width - 1) / 2;
  const double centre_y = static_cast<double>(height - 1) / 2;
  const double far = 4 * static_cast<double>(std::max(height, width));  // Farther points show nothing new.
  for (int64_t i = 0; i < height; ++i) {
    for (int64_t j = 0; j < width; ++j) {
      const auto source = map(static_cast<double>(j) - centre_x, static_cast<double>(i) - centre_y);
      const double x = std::clamp(source.x + centre_x, -far, far);
      const double y = std::clamp(source.y + centre_y, -far, far);
      const double left = std::floor(x);
      const double top = std::floor(y);
      const auto right_weight = static_cast<float>(x - left);
      const auto bottom_weight = static_cast<float>(y - top);
      const int64_t columns[] = {BorderIndex(static_cast<int64_t>(left), width, border),
                                 BorderIndex(static_cast<int64_t>(left) + 1, width, border)};
      const int64_t rows[] = {BorderIndex(static_cast<int64_t>(top), height, border),
                              BorderIndex(static_cast<int64_t>(top) + 1, height, border)};
      for (int64_t c = 0; c < from.channels; ++c) {
        const T* plane = from.pixels<T>() + c * from.plane();
        const auto at = [&](int64_t row, int64_t column) {
          return row < 0 || column < 0 ? 0.0f : static_cast<float>(plane[row * width + column]);
        };
        const float upper = at(rows[0], columns[0]) * (1 - right_weight) + at(rows[0], columns[1]) * right_weight;
        const float lower = at(rows[1], columns[0]) * (1 - right_weight) + at(rows[1], columns[1]) * right_weight;
        to.pixels<T>()[c * to.plane() + i * width + j] =
            ToPixel<T>(upper * (1 - bottom_weight) + lower * bottom_weight);
      }
    }
  }
}

template <class Map>
void Warp(const ImageView& from, v1::Border border, const Map& map, const ImageView& to) {
  WithPixelType(from.type, [&](auto pixel) { WarpPixels<decltype(pixel)>(from, border, map, to); });
}

}  // namespace traind::core
