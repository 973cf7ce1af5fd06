// ResNet's (slide 89): the short side becomes a random L in [min_side, max_side], then a random patch is cut out. Only
// the patch is computed.
#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "core/data/augmentation/crop_size.h"
#include "core/kinds/augmentation.h"

namespace traind::core {
namespace {

// A bound on the short side of the resized image, far above use.
constexpr uint32_t kMaxSide = 16384;

class ScaleJitterAugmentation final : public ImageAugmentation {
 public:
  explicit ScaleJitterAugmentation(const v1::ScaleJitter& config) : config_(config) {}

  Shape SetShape(const Shape& shape, const FieldErrors& errors) override {
    shape_ = CroppedShape(shape, config_.height(), config_.width());
    const auto check = [&](std::string_view field, int64_t side) {
      if (side <= config_.min_side()) return;
      errors.At(field).Add(absl::StrCat("is ", side, ", more than min_side = ", config_.min_side(), " has room for"));
    };
    check("height", shape_[1]);
    check("width", shape_[2]);
    return shape_;
  }

  void Apply(Draw& draw, Workspace& work) const override {
    const ImageView& image = work.image;
    const int64_t side = config_.min_side() + draw.Below(int64_t{config_.max_side()} - config_.min_side() + 1);
    const double scale = static_cast<double>(side) / static_cast<double>(std::min(image.height, image.width));
    const auto height = static_cast<int64_t>(std::lround(static_cast<double>(image.height) * scale));
    const auto width = static_cast<int64_t>(std::lround(static_cast<double>(image.width) * scale));
    const double y_pixel = static_cast<double>(image.height) / static_cast<double>(height);
    const double x_pixel = static_cast<double>(image.width) / static_cast<double>(width);
    const int64_t y = draw.Below(height - shape_[1] + 1);
    const int64_t x = draw.Below(width - shape_[2] + 1);
    work.ShapeSpare(shape_[1], shape_[2]);
    work.resampler.Run(image,
                       {static_cast<double>(x) * x_pixel, static_cast<double>(y) * y_pixel,
                        static_cast<double>(shape_[2]) * x_pixel, static_cast<double>(shape_[1]) * y_pixel},
                       work.spare);
    std::swap(work.image, work.spare);
  }

 private:
  const v1::ScaleJitter config_;
  Shape shape_;
};

const Registered<Augmentation, v1::ScaleJitter> kScaleJitter(
    "Resizes the short side to a random length, then cuts out a random patch (slide 89).",
    [](v1::ScaleJitter& config, const FieldErrors& errors) {
      CheckCropSize(config, errors);
      const int before = errors.count();
      Require(config.min_side() >= 1 && config.min_side() <= kMaxSide, errors, "min_side", "1 to 16384",
              config.min_side());
      Require(config.max_side() >= 1 && config.max_side() <= kMaxSide, errors, "max_side", "1 to 16384",
              config.max_side());
      if (errors.count() == before && config.max_side() < config.min_side()) {
        errors.At("max_side").Add(absl::StrCat("must be at least min_side = ", config.min_side()));
      }
      return errors.count() > before ? nullptr : std::make_unique<ScaleJitterAugmentation>(config);
    });

}  // namespace
}  // namespace traind::core
