// Covers random squares (DeVries & Taylor 2017, slide 97). The centre is any pixel, so a square may hang over the edge.
// The paper fills with zero after its normalization, which is the mean of the channel.
#include <algorithm>
#include <memory>

#include "core/data/augmentation/fill.h"
#include "core/kinds/augmentation.h"

namespace traind::core {
namespace {

class CutoutAugmentation final : public CoveringAugmentation {
 public:
  explicit CutoutAugmentation(const v1::Cutout& config)
      : CoveringAugmentation(config.fill()), size_(config.size()), count_(config.count()) {}

  Shape SetShape(const Shape& shape, const FieldErrors& errors) override {
    const int64_t side = std::max(shape[1], shape[2]);
    if (size_ > side) errors.At("size").Add(absl::StrCat("must be at most ", side, ", the image's long side"));
    return CoveringAugmentation::SetShape(shape, errors);
  }

  void Apply(Draw& draw, Workspace& work) const override {
    const ImageView& image = work.image;
    for (int64_t square = 0; square < count_; ++square) {
      const int64_t top = draw.Below(image.height) - size_ / 2;
      const int64_t left = draw.Below(image.width) - size_ / 2;
      const int64_t first_row = std::max<int64_t>(top, 0), first_column = std::max<int64_t>(left, 0);
      fill().Cover(draw, image, first_row, std::max(first_row, std::min(top + size_, image.height)), first_column,
                   std::max(first_column, std::min(left + size_, image.width)));
    }
  }

 private:
  const int64_t size_;
  const int64_t count_;
};

const Registered<Augmentation, v1::Cutout> kCutout(
    "Covers random squares with the mean, with zeros or with noise (slide 97).",
    [](v1::Cutout& config, const FieldErrors& errors) {
      if (!config.has_count()) config.set_count(1);
      if (config.size() < 1) errors.At("size").Add("is required: the side of the square in pixels, at least 1");
      Require(config.count() >= 1 && config.count() <= 64, errors, "count", "1 to 64", config.count());
      ResolveFill(config, v1::Cutout::FILL_MEAN, errors);
      return std::make_unique<CutoutAugmentation>(config);
    });

}  // namespace
}  // namespace traind::core
