// Covers random squares (DeVries & Taylor 2017, slide 97). The centre is any pixel, so a square may hang over the edge.
// The paper fills with zero after its normalization, which is the mean of the channel.
#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "core/kinds/augmentation.h"

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

class CutoutAugmentation final : public ImageAugmentation {
 public:
  explicit CutoutAugmentation(const v1::Cutout& config)
      : size_(config.size()), count_(config.count()), fill_(config.fill()) {}

  Shape SetShape(const Shape& shape, const FieldErrors& errors) override {
    const int64_t side = std::max(shape[1], shape[2]);
    if (size_ > side) errors.At("size").Add(absl::StrCat("must be at most ", side, ", the image's long side"));
    channels_ = shape[0];
    mean_.assign(static_cast<size_t>(channels_), 0);
    std_ = mean_;
    return shape;
  }

  bool needs_fit() const override { return fill_ != v1::Cutout::FILL_ZERO; }
  void Fit(const TrainingExamples& examples, int64_t pixels) override {
    ChannelMoments moments = MomentsOfChannels(examples, channels_, pixels);
    mean_ = std::move(moments.mean);
    std_ = std::move(moments.std);
  }
  std::vector<Tensor> parameters() const override {
    if (!needs_fit()) return {};
    return {{"mean", {channels_}, mean_}, {"std", {channels_}, std_}};
  }
  std::vector<Tensor> parameter_shapes() const override {
    if (!needs_fit()) return {};
    return {{"mean", {channels_}, {}}, {"std", {channels_}, {}}};
  }
  void SetParameters(absl::Span<const Tensor> parameters) override {
    mean_ = parameters[0].values;
    std_ = parameters[1].values;
  }

  void Apply(Draw& draw, Workspace& work) const override {
    const ImageView& image = work.image;
    for (int64_t square = 0; square < count_; ++square) {
      const int64_t top = draw.Below(image.height) - size_ / 2;
      const int64_t left = draw.Below(image.width) - size_ / 2;
      const int64_t right = std::min(left + size_, image.width);
      const int64_t first = std::max<int64_t>(left, 0);
      WithPixelType(image.type, [&](auto pixel) {
        using T = decltype(pixel);
        for (int64_t c = 0; c < image.channels; ++c) {
          for (int64_t i = std::max<int64_t>(top, 0); i < std::min(top + size_, image.height); ++i) {
            Cover(draw, c, image.pixels<T>() + (c * image.height + i) * image.width + first, right - first);
          }
        }
      });
    }
  }

 private:
  // A part of a row of channel `c`; zero, where nothing was fitted.
  template <class T>
  void Cover(Draw& draw, int64_t c, T* row, int64_t n) const {
    if (fill_ != v1::Cutout::FILL_NOISE) {
      std::fill_n(row, n, ToPixel<T>(mean_[c]));
      return;
    }
    for (int64_t i = 0; i < n; ++i) row[i] = ToPixel<T>(mean_[c] + std_[c] * draw.Normal());
  }

  const int64_t size_;
  const int64_t count_;
  const v1::Cutout::Fill fill_;
  int64_t channels_ = 0;
  std::vector<float> mean_;  // By channel, as are the stored pixels.
  std::vector<float> std_;
};

const Registered<Augmentation, v1::Cutout> kCutout(
    "Covers random squares with the mean, with zeros or with noise (slide 97).",
    [](v1::Cutout& config, const FieldErrors& errors) {
      if (!config.has_count()) config.set_count(1);
      if (config.size() < 1) errors.At("size").Add("is required: the side of the square in pixels, at least 1");
      Require(config.count() >= 1 && config.count() <= 64, errors, "count", "1 to 64", config.count());
      if (!v1::Cutout::Fill_IsValid(config.fill())) errors.At("fill").Add("must be MEAN, ZERO or NOISE");
      if (config.fill() == v1::Cutout::FILL_UNSPECIFIED) config.set_fill(v1::Cutout::FILL_MEAN);
      return std::make_unique<CutoutAugmentation>(config);
    });

}  // namespace
}  // namespace traind::core
