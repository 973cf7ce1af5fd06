#include "core/kinds/resample.h"

#include "core/base/vectorize.h"

namespace traind::core {
namespace {

template <class T>
TRAIND_VECTORIZED void AddWeighted(const T* x, float weight, float* sum, int64_t n) {
  for (int64_t i = 0; i < n; ++i) sum[i] += weight * static_cast<float>(x[i]);
}

}  // namespace

v1::Border ResolveBorder(v1::Border border, const FieldErrors& errors) {
  if (border == v1::BORDER_UNSPECIFIED) return v1::BORDER_ZERO;
  if (!v1::Border_IsValid(border)) errors.At("border").Add("must be ZERO, EDGE or REFLECT");
  return border;
}

void Resampler::Reserve(int64_t height, int64_t width, int64_t out_height, int64_t out_width) {
  // A pixel of the result covers at most 2 * max(1, in / out) + 2 pixels.
  rows_.taps.reserve(static_cast<size_t>(out_height));
  rows_.weights.reserve(static_cast<size_t>(2 * height + 4 * out_height));
  columns_.taps.reserve(static_cast<size_t>(out_width));
  columns_.weights.reserve(static_cast<size_t>(2 * width + 4 * out_width));
  row_.reserve(static_cast<size_t>(width));
}

void Resampler::Taps::Make(double begin, double length, int64_t in, int64_t out) {
  taps.clear();
  weights.clear();
  const double scale = length / static_cast<double>(out);
  const double support = std::max(1.0, scale);
  for (int64_t i = 0; i < out; ++i) {
    const double centre = begin + (static_cast<double>(i) + 0.5) * scale;
    const int64_t last = in - 1;
    const int64_t from = std::clamp<int64_t>(static_cast<int64_t>(std::floor(centre - support + 0.5)), 0, last);
    const int64_t to = std::clamp<int64_t>(static_cast<int64_t>(std::floor(centre + support + 0.5)), from + 1, in);
    const size_t start = weights.size();
    double sum = 0;
    for (int64_t k = from; k < to; ++k) {
      const double weight = std::max(0.0, 1 - std::abs(static_cast<double>(k) + 0.5 - centre) / support);
      weights.push_back(static_cast<float>(weight));
      sum += weight;
    }
    if (sum <= 0) {  // A centre outside of the image: the pixel at the edge.
      weights[start] = 1;
      sum = 1;
    }
    for (size_t k = start; k < weights.size(); ++k) weights[k] = static_cast<float>(double{weights[k]} / sum);
    taps.push_back({from, to - from, start});
  }
}

void Resampler::Run(const ImageView& from, const Box& box, const ImageView& to) {
  rows_.Make(box.y, box.height, from.height, to.height);
  columns_.Make(box.x, box.width, from.width, to.width);
  row_.resize(static_cast<size_t>(from.width));
  WithPixelType(from.type, [&](auto pixel) {
    using T = decltype(pixel);
    for (int64_t c = 0; c < from.channels; ++c) {
      const T* plane = from.pixels<T>() + c * from.plane();
      T* out = to.pixels<T>() + c * to.plane();
      for (const auto& row : rows_.taps) {
        std::fill(row_.begin(), row_.end(), 0.0f);
        for (int64_t k = 0; k < row.count; ++k) {
          AddWeighted(plane + (row.first + k) * from.width, rows_.weights[row.weights + k], row_.data(), from.width);
        }
        for (const auto& column : columns_.taps) {
          float sum = 0;
          for (int64_t k = 0; k < column.count; ++k) {
            sum += row_[column.first + k] * columns_.weights[column.weights + k];
          }
          *out++ = ToPixel<T>(sum);
        }
      }
    }
  });
}

}  // namespace traind::core
