#include "core/data/augmentation/fill.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace traind::core {
namespace {

// Of each channel, over all pixels of the examples: sums of the differences to the first pixel, which lose nothing
// where the mean is far from zero.
struct ChannelMoments {
  std::vector<float> mean;
  std::vector<float> std;
};

ChannelMoments MomentsOfChannels(const TrainingExamples& examples, int64_t channels, int64_t pixels) {
  std::vector<double> shift(channels), sum(channels), squares(channels);
  bool first = true;
  examples.for_each([&](const float* x) {
    for (int64_t c = 0; c < channels; ++c) {
      if (first) shift[c] = double{x[c * pixels]};
      for (int64_t i = 0; i < pixels; ++i) {
        const double d = double{x[c * pixels + i]} - shift[c];
        sum[c] += d;
        squares[c] += d * d;
      }
    }
    first = false;
  });
  const double n = static_cast<double>(examples.count) * static_cast<double>(pixels);
  ChannelMoments moments;
  for (int64_t c = 0; c < channels; ++c) {
    const double mean = sum[c] / n;
    moments.mean.push_back(static_cast<float>(shift[c] + mean));
    moments.std.push_back(static_cast<float>(std::sqrt(std::max(0.0, squares[c] / n - mean * mean))));
  }
  return moments;
}

}  // namespace

void Fill::SetChannels(int64_t channels) {
  channels_ = channels;
  mean_.assign(static_cast<size_t>(channels_), 0);
  std_ = mean_;
}

void Fill::Fit(const TrainingExamples& examples, int64_t pixels) {
  ChannelMoments moments = MomentsOfChannels(examples, channels_, pixels);
  mean_ = std::move(moments.mean);
  std_ = std::move(moments.std);
}

std::vector<Tensor> Fill::parameters() const {
  if (!needs_fit()) return {};
  return {{"mean", {channels_}, mean_}, {"std", {channels_}, std_}};
}

std::vector<Tensor> Fill::parameter_shapes() const {
  if (!needs_fit()) return {};
  return {{"mean", {channels_}, {}}, {"std", {channels_}, {}}};
}

void Fill::SetParameters(absl::Span<const Tensor> parameters) {
  mean_ = parameters[0].values;
  std_ = parameters[1].values;
}

void Fill::Cover(Draw& draw, const ImageView& image, int64_t top, int64_t bottom, int64_t left, int64_t right) const {
  WithPixelType(image.type, [&](auto pixel) {
    using T = decltype(pixel);
    for (int64_t c = 0; c < image.channels; ++c) {
      for (int64_t i = top; i < bottom; ++i) {
        CoverRow(draw, c, image.pixels<T>() + (c * image.height + i) * image.width + left, right - left);
      }
    }
  });
}

template <class T>
void Fill::CoverRow(Draw& draw, int64_t c, T* row, int64_t n) const {
  if (kind_ != v1::Cutout::FILL_NOISE) {
    std::fill_n(row, n, ToPixel<T>(mean_[c]));
    return;
  }
  for (int64_t i = 0; i < n; ++i) row[i] = ToPixel<T>(mean_[c] + std_[c] * draw.Normal());
}

}  // namespace traind::core
