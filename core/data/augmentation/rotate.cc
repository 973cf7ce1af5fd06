// Turns the image around its centre (slide 92).
#include <cmath>
#include <memory>

#include "core/kinds/augmentation.h"

namespace traind::core {
namespace {

class RotateAugmentation final : public AffineAugmentation {
 public:
  explicit RotateAugmentation(const v1::Rotate& config) : config_(config) {}

  v1::Border border() const override { return config_.border(); }
  Affine Map(Draw& draw, int64_t /*height*/, int64_t /*width*/) const override {
    const double angle = draw.Uniform(-config_.max_degrees(), config_.max_degrees()) * M_PI / 180;
    const double c = std::cos(angle);
    const double s = std::sin(angle);
    return {.xx = c, .xy = -s, .yx = s, .yy = c};
  }

 private:
  const v1::Rotate config_;
};

const Registered<Augmentation, v1::Rotate> kRotate("Turns the image around its centre by a random angle (slide 92).",
                                                   [](v1::Rotate& config, const FieldErrors& errors) {
                                                     Require(config.max_degrees() > 0 && config.max_degrees() <= 180,
                                                             errors, "max_degrees", "in (0, 180]",
                                                             config.max_degrees());
                                                     config.set_border(ResolveBorder(config.border(), errors));
                                                     return std::make_unique<RotateAugmentation>(config);
                                                   });

}  // namespace
}  // namespace traind::core
