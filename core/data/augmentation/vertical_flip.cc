// Mirrors top and bottom.
#include <algorithm>
#include <memory>

#include "core/kinds/augmentation.h"

namespace traind::core {
namespace {

class VerticalFlipAugmentation final : public ImageAugmentation {
 public:
  double default_probability() const override { return 0.5; }
  void Apply(Draw& /*draw*/, Workspace& work) const override {
    const ImageView& image = work.image;
    WithPixelType(image.type, [&](auto pixel) {
      auto* plane = image.pixels<decltype(pixel)>();
      for (int64_t c = 0; c < image.channels; ++c, plane += image.plane()) {
        for (int64_t top = 0, bottom = image.height - 1; top < bottom; ++top, --bottom) {
          std::swap_ranges(plane + top * image.width, plane + (top + 1) * image.width, plane + bottom * image.width);
        }
      }
    });
  }
};

const Registered<Augmentation, v1::VerticalFlip> kVerticalFlip("Mirrors top and bottom, half of the time.",
                                                               [](v1::VerticalFlip&, const FieldErrors&) {
                                                                 return std::make_unique<VerticalFlipAugmentation>();
                                                               });

}  // namespace
}  // namespace traind::core
