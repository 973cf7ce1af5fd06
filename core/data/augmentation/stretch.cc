// Scales height and width, each by its own factor, whose logarithm is uniform (slide 92).
#include <cmath>
#include <memory>

#include "core/kinds/augmentation.h"

namespace traind::core {
namespace {

class StretchAugmentation final : public AffineAugmentation {
 public:
  explicit StretchAugmentation(const v1::Stretch& config) : config_(config) {}

  v1::Border border() const override { return config_.border(); }
  Affine Map(Draw& draw, int64_t /*height*/, int64_t /*width*/) const override {
    const double most = std::log(config_.max_factor());
    const double width = std::exp(draw.Uniform(-most, most));
    const double height = std::exp(draw.Uniform(-most, most));
    return {.xx = 1 / width, .yy = 1 / height};
  }

 private:
  const v1::Stretch config_;
};

const Registered<Augmentation, v1::Stretch> kStretch("Scales height and width, each by a random factor (slide 92).",
                                                     [](v1::Stretch& config, const FieldErrors& errors) {
                                                       Require(config.max_factor() > 1 && config.max_factor() <= 100,
                                                               errors, "max_factor", "above 1 and at most 100",
                                                               config.max_factor());
                                                       config.set_border(ResolveBorder(config.border(), errors));
                                                       return std::make_unique<StretchAugmentation>(config);
                                                     });

}  // namespace
}  // namespace traind::core
