// Moves the image by whole pixels (slide 92).
#include <cmath>
#include <memory>

#include "core/kinds/augmentation.h"

namespace traind::core {
namespace {

class TranslateAugmentation final : public AffineAugmentation {
 public:
  explicit TranslateAugmentation(const v1::Translate& config) : config_(config) {}

  Shape SetShape(const Shape& shape, const FieldErrors& errors) override {
    if (Most(shape[1]) == 0 && Most(shape[2]) == 0) {
      errors.At("max_fraction").Add(absl::StrCat("is less than half a pixel of ", ToString(shape)));
    }
    return shape;
  }
  v1::Border border() const override { return config_.border(); }
  Affine Map(Draw& draw, int64_t height, int64_t width) const override {
    const auto shift = [&](int64_t most) { return static_cast<double>(draw.Below(2 * most + 1) - most); };
    const double y = shift(Most(height));
    return {.x = shift(Most(width)), .y = y};
  }

 private:
  int64_t Most(int64_t side) const { return std::llround(config_.max_fraction() * static_cast<double>(side)); }

  const v1::Translate config_;
};

const Registered<Augmentation, v1::Translate> kTranslate(
    "Moves the image by a random number of pixels (slide 92).",
    [](v1::Translate& config, const FieldErrors& errors) -> std::unique_ptr<Augmentation> {
      const int before = errors.count();
      Require(config.max_fraction() > 0 && config.max_fraction() <= 1, errors, "max_fraction", "in (0, 1]",
              config.max_fraction());
      config.set_border(ResolveBorder(config.border(), errors));
      return errors.count() > before ? nullptr : std::make_unique<TranslateAugmentation>(config);
    });

}  // namespace
}  // namespace traind::core
