// A random part of the image with a random aspect, resized (Szegedy et al., "Going deeper with convolutions", 2015).
#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "core/data/augmentation/crop_size.h"
#include "core/data/augmentation/random_part.h"
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
  // An aspect that cannot fit gives the largest part around the centre that has the nearest aspect allowed.
  Box Part(Draw& draw, int64_t height, int64_t width) const {
    if (const auto part = DrawPartSize(draw, config_, height, width)) {
      const auto x = static_cast<double>(draw.Below(width - part->width + 1));
      const auto y = static_cast<double>(draw.Below(height - part->height + 1));
      return {x, y, static_cast<double>(part->width), static_cast<double>(part->height)};
    }
    const auto h = static_cast<double>(height);
    const auto w = static_cast<double>(width);
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
      CheckCropSize(config, errors);
      ResolveAreaAndAspect({.min_area = 0.08, .max_area = 1, .min_aspect = 3.0 / 4, .max_aspect = 4.0 / 3}, config,
                           errors);
      return std::make_unique<RandomResizedCropAugmentation>(config);
    });

}  // namespace
}  // namespace traind::core
