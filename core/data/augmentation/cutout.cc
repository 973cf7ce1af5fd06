// Sets random squares to zero (DeVries & Taylor 2017, slide 97). The centre is any pixel, so a square may hang over the
// edge.
#include <algorithm>
#include <memory>

#include "core/kinds/augmentation.h"

namespace traind::core {
namespace {

class CutoutAugmentation final : public ImageAugmentation {
 public:
  explicit CutoutAugmentation(const v1::Cutout& config) : size_(config.size()), count_(config.count()) {}

  Shape SetShape(const Shape& shape, const FieldErrors& errors) override {
    const int64_t side = std::max(shape[1], shape[2]);
    if (size_ > side) errors.At("size").Add(absl::StrCat("must be at most ", side, ", the image's long side"));
    return shape;
  }

  void Apply(Draw& draw, Workspace& work) const override {
    const ImageView& image = work.image;
    for (int64_t square = 0; square < count_; ++square) {
      const int64_t top = draw.Below(image.height) - size_ / 2;
      const int64_t left = draw.Below(image.width) - size_ / 2;
      const int64_t right = std::min(left + size_, image.width);
      const int64_t first = std::max<int64_t>(left, 0);
      WithPixelType(image.type, [&](auto pixel) {
        using T = decltype(pixel);
        for (int64_t c = 0; c < image.channels; ++c) {
          for (int64_t i = std::max<int64_t>(top, 0); i < std::min(top + size_, image.height); ++i) {
            std::fill_n(image.pixels<T>() + (c * image.height + i) * image.width + first, right - first, T{});
          }
        }
      });
    }
  }

 private:
  const int64_t size_;
  const int64_t count_;
};

const Registered<Augmentation, v1::Cutout> kCutout(
    "Sets random squares to zero (slide 97).", [](v1::Cutout& config, const FieldErrors& errors) {
      if (!config.has_count()) config.set_count(1);
      if (config.size() < 1) errors.At("size").Add("is required: the side of the square in pixels, at least 1");
      Require(config.count() >= 1 && config.count() <= 64, errors, "count", "1 to 64", config.count());
      return std::make_unique<CutoutAugmentation>(config);
    });

}  // namespace
}  // namespace traind::core
