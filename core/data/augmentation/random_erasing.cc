// Covers one random rectangle (Zhong et al., "Random erasing data augmentation", AAAI 2020, algorithm 1).
#include <memory>

#include "core/data/augmentation/fill.h"
#include "core/data/augmentation/random_part.h"
#include "core/kinds/augmentation.h"

namespace traind::core {
namespace {

class RandomErasingAugmentation final : public CoveringAugmentation {
 public:
  explicit RandomErasingAugmentation(const v1::RandomErasing& config)
      : CoveringAugmentation(config.fill()), config_(config) {}

  double default_probability() const override { return 0.5; }

  void Apply(Draw& draw, Workspace& work) const override {
    const ImageView& image = work.image;
    const auto part = DrawPartSize(draw, config_, image.height, image.width);
    if (!part.has_value()) return;
    const int64_t top = draw.Below(image.height - part->height + 1), left = draw.Below(image.width - part->width + 1);
    fill().Cover(draw, image, top, top + part->height, left, left + part->width);
  }

 private:
  const v1::RandomErasing config_;
};

const Registered<Augmentation, v1::RandomErasing> kRandomErasing(
    "Covers a random rectangle with noise, the mean or zeros, half of the time.",
    [](v1::RandomErasing& config, const FieldErrors& errors) {
      ResolveAreaAndAspect({.min_area = 0.02, .max_area = 1.0 / 3, .min_aspect = 0.3, .max_aspect = 1 / 0.3}, config,
                           errors);
      ResolveFill(config, v1::Cutout::FILL_NOISE, errors);
      return std::make_unique<RandomErasingAugmentation>(config);
    });

}  // namespace
}  // namespace traind::core
