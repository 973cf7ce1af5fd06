// Bends straight lines as a lens does (slide 92): what is seen at distance r from the centre was at r (1 + k r^2), r in
// half diagonals.
#include <cmath>
#include <memory>
#include <utility>

#include "core/kinds/augmentation.h"

namespace traind::core {
namespace {

class LensDistortionAugmentation final : public ImageAugmentation {
 public:
  explicit LensDistortionAugmentation(const v1::LensDistortion& config) : config_(config) {}

  void Apply(Draw& draw, Workspace& work) const override {
    const double strength = draw.Uniform(-config_.max_strength(), config_.max_strength());
    work.ShapeSpare(work.image.height, work.image.width);
    const auto height = static_cast<double>(work.image.height);
    const auto width = static_cast<double>(work.image.width);
    const double k = strength * 4 / (height * height + width * width);
    Warp(
        work.image, config_.border(),
        [k](double x, double y) {
          const double factor = 1 + k * (x * x + y * y);
          return Affine::Point{x * factor, y * factor};
        },
        work.spare);
    std::swap(work.image, work.spare);
  }

 private:
  const v1::LensDistortion config_;
};

const Registered<Augmentation, v1::LensDistortion> kLensDistortion(
    "Bends straight lines as a lens does (slide 92).", [](v1::LensDistortion& config, const FieldErrors& errors) {
      Require(config.max_strength() > 0 && config.max_strength() <= 1, errors, "max_strength", "in (0, 1]",
              config.max_strength());
      config.set_border(ResolveBorder(config.border(), errors));
      return std::make_unique<LensDistortionAugmentation>(config);
    });

}  // namespace
}  // namespace traind::core
