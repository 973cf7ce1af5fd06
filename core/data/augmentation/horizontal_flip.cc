// Mirrors left and right (slide 88).
#include <algorithm>
#include <memory>

#include "core/kinds/augmentation.h"

namespace traind::core {
namespace {

class HorizontalFlipAugmentation final : public ImageAugmentation {
 public:
  double default_probability() const override { return 0.5; }
  void Apply(Draw& /*draw*/, Workspace& work) const override {
    const ImageView& image = work.image;
    WithPixelType(image.type, [&](auto pixel) {
      auto* row = image.pixels<decltype(pixel)>();
      for (int64_t i = 0; i < image.channels * image.height; ++i, row += image.width) {
        std::reverse(row, row + image.width);
      }
    });
  }
};

const Registered<Augmentation, v1::HorizontalFlip> kHorizontalFlip(
    "Mirrors left and right, half of the time (slide 88).",
    [](v1::HorizontalFlip&, const FieldErrors&) { return std::make_unique<HorizontalFlipAugmentation>(); });

}  // namespace
}  // namespace traind::core
