// Slants the image sideways or upwards, each half of the time (slide 92).
#include <cmath>
#include <memory>

#include "core/kinds/augmentation.h"

namespace traind::core {
namespace {

class ShearAugmentation final : public AffineAugmentation {
 public:
  explicit ShearAugmentation(const v1::Shear& config) : config_(config) {}

  v1::Border border() const override { return config_.border(); }
  Affine Map(Draw& draw, int64_t /*height*/, int64_t /*width*/) const override {
    const double slant = std::tan(draw.Uniform(-config_.max_degrees(), config_.max_degrees()) * M_PI / 180);
    return draw.Below(2) == 0 ? Affine{.xy = slant} : Affine{.yx = slant};
  }

 private:
  const v1::Shear config_;
};

const Registered<Augmentation, v1::Shear> kShear("Slants the image by a random angle (slide 92).",
                                                 [](v1::Shear& config, const FieldErrors& errors) {
                                                   Require(config.max_degrees() > 0 && config.max_degrees() <= 60,
                                                           errors, "max_degrees", "in (0, 60]", config.max_degrees());
                                                   config.set_border(ResolveBorder(config.border(), errors));
                                                   return std::make_unique<ShearAugmentation>(config);
                                                 });

}  // namespace
}  // namespace traind::core
