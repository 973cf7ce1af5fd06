// A random part of the image with a random aspect, resized (Szegedy et al., "Going deeper with convolutions", 2015).
#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "core/data/augmentation/crop_size.h"
#include "core/kinds/augmentation.h"

namespace traind::core {
namespace {

class RandomResizedCropAugmentation final : public ImageAugmentation {
 public:
  explicit RandomResizedCropAugmentation(const v1::RandomResizedCrop& config) : config_(config) {}

  Shape SetShape(const Shape& shape, const FieldErrors& /*errors*/) override {
    return shape_ = CroppedShape(shape, config_.height(), config_.width());
  }

  void Apply(Draw& draw, Workspace& work) const override {
    work.ShapeSpare(shape_[1], shape_[2]);
    work.resampler.Run(work.image, Part(draw, work.image.height, work.image.width), work.spare);
    std::swap(work.image, work.spare);
  }

 private:
  // Area and the logarithm of the aspect are uniform. A part that does not fit into the image is drawn again; an aspect
  // that cannot fit gives, after ten times, the largest part around the centre that has the nearest aspect allowed.
  Box Part(Draw& draw, int64_t height, int64_t width) const {
    const auto h = static_cast<double>(height);
    const auto w = static_cast<double>(width);
    for (int attempt = 0; attempt < 10; ++attempt) {
      const double area = h * w * draw.Uniform(config_.min_area(), config_.max_area());
      const double aspect = std::exp(draw.Uniform(std::log(config_.min_aspect()), std::log(config_.max_aspect())));
      const double part_width = std::max(1.0, std::round(std::sqrt(area * aspect)));
      const double part_height = std::max(1.0, std::round(std::sqrt(area / aspect)));
      if (part_width > w || part_height > h) continue;
      const auto x = static_cast<double>(draw.Below(width - static_cast<int64_t>(part_width) + 1));
      const auto y = static_cast<double>(draw.Below(height - static_cast<int64_t>(part_height) + 1));
      return {x, y, part_width, part_height};
    }
    const double aspect = std::clamp(w / h, config_.min_aspect(), config_.max_aspect());
    const double part_width = std::max(1.0, std::round(std::min(w, h * aspect)));
    const double part_height = std::max(1.0, std::round(std::min(h, w / aspect)));
    return {std::floor((w - part_width) / 2), std::floor((h - part_height) / 2), part_width, part_height};
  }

  const v1::RandomResizedCrop config_;
  Shape shape_;
};

const Registered<Augmentation, v1::RandomResizedCrop> kRandomResizedCrop(
    "A random part of the image with a random aspect, resized.",
    [](v1::RandomResizedCrop& config, const FieldErrors& errors) {
      if (!config.has_min_area()) config.set_min_area(0.08);
      if (!config.has_max_area()) config.set_max_area(1);
      if (!config.has_min_aspect()) config.set_min_aspect(3.0 / 4);
      if (!config.has_max_aspect()) config.set_max_aspect(4.0 / 3);
      CheckCropSize(config, errors);
      Require(config.min_area() > 0 && config.min_area() <= 1, errors, "min_area", "in (0, 1]", config.min_area());
      Require(config.max_area() >= config.min_area() && config.max_area() <= 1, errors, "max_area", "min_area to 1",
              config.max_area());
      Require(config.min_aspect() >= 0.01 && config.min_aspect() <= 100, errors, "min_aspect", "0.01 to 100",
              config.min_aspect());
      Require(config.max_aspect() >= config.min_aspect() && config.max_aspect() <= 100, errors, "max_aspect",
              "min_aspect to 100", config.max_aspect());
      return std::make_unique<RandomResizedCropAugmentation>(config);
    });

}  // namespace
}  // namespace traind::core
