// Blurs with a Gaussian of a random width: down the columns into one row of floats, then along it; rounded once.
#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <utility>

#include "core/kinds/augmentation.h"

namespace traind::core {
namespace {

constexpr double kMaxSigma = 32;
constexpr int64_t kMaxRadius = 3 * static_cast<int64_t>(kMaxSigma);

// Half of a symmetric filter, from the middle; all of it sums to 1.
struct HalfFilter {
  explicit HalfFilter(double sigma) : radius(static_cast<int64_t>(std::ceil(3 * sigma))) {
    double sum = 0;
    for (int64_t k = 0; k <= radius; ++k) {
      const double x = static_cast<double>(k) / sigma;
      weights[static_cast<size_t>(k)] = static_cast<float>(std::exp(-x * x / 2));
      sum += (k == 0 ? 1 : 2) * double{weights[static_cast<size_t>(k)]};
    }
    for (float& weight : weights) weight = static_cast<float>(weight / sum);
  }
  float at(int64_t k) const { return weights[static_cast<size_t>(std::abs(k))]; }
  int64_t radius;
  std::array<float, kMaxRadius + 1> weights = {};
};

template <class T>
void BlurPlane(const T* from, int64_t height, int64_t width, const HalfFilter& filter, float* row, T* to) {
  for (int64_t i = 0; i < height; ++i) {
    std::fill_n(row, width, 0.0f);
    for (int64_t k = -filter.radius; k <= filter.radius; ++k) {
      const T* line = from + std::clamp<int64_t>(i + k, 0, height - 1) * width;
      const float weight = filter.at(k);
      for (int64_t j = 0; j < width; ++j) row[j] += weight * static_cast<float>(line[j]);
    }
    for (int64_t j = 0; j < width; ++j) {
      float sum = 0;
      for (int64_t k = -filter.radius; k <= filter.radius; ++k) {
        sum += filter.at(k) * row[std::clamp<int64_t>(j + k, 0, width - 1)];
      }
      to[i * width + j] = ToPixel<T>(sum);
    }
  }
}

class GaussianBlurAugmentation final : public ImageAugmentation {
 public:
  explicit GaussianBlurAugmentation(const v1::GaussianBlur& config) : config_(config) {}

  void Apply(Draw& draw, Workspace& work) const override {
    const HalfFilter filter(draw.Uniform(config_.min_sigma(), config_.max_sigma()));
    const ImageView& image = work.image;
    work.ShapeSpare(image.height, image.width);
    WithPixelType(image.type, [&](auto pixel) {
      using T = decltype(pixel);
      for (int64_t c = 0; c < image.channels; ++c) {
        BlurPlane(image.pixels<T>() + c * image.plane(), image.height, image.width, filter, work.row.data(),
                  work.spare.pixels<T>() + c * image.plane());
      }
    });
    std::swap(work.image, work.spare);
  }

 private:
  const v1::GaussianBlur config_;
};

const Registered<Augmentation, v1::GaussianBlur> kGaussianBlur(
    "Blurs the image with a Gaussian of a random width.", [](v1::GaussianBlur& config, const FieldErrors& errors) {
      if (!config.has_min_sigma()) config.set_min_sigma(0.1);
      if (!config.has_max_sigma()) config.set_max_sigma(2);
      Require(config.min_sigma() >= 0.01, errors, "min_sigma", "at least 0.01", config.min_sigma());
      Require(config.max_sigma() >= config.min_sigma() && config.max_sigma() <= kMaxSigma, errors, "max_sigma",
              absl::StrCat("min_sigma to ", kMaxSigma), config.max_sigma());
      return std::make_unique<GaussianBlurAugmentation>(config);
    });

}  // namespace
}  // namespace traind::core
