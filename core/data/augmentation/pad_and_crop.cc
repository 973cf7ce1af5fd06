// Pads all sides, then cuts out the old size at a random place.
#include <algorithm>
#include <memory>
#include <utility>

#include "core/kinds/augmentation.h"

namespace traind::core {
namespace {

class PadAndCropAugmentation final : public ImageAugmentation {
 public:
  explicit PadAndCropAugmentation(const v1::PadAndCrop& config)
      : padding_(config.padding()), border_(config.border()) {}

  Shape SetShape(const Shape& shape, const FieldErrors& errors) override {
    const int64_t side = std::min(shape[1], shape[2]);
    if (padding_ > side) errors.At("padding").Add(absl::StrCat("must be at most ", side, ", the image's short side"));
    return shape;
  }

  void Apply(Draw& draw, Workspace& work) const override {
    const int64_t up = draw.Below(2 * padding_ + 1) - padding_;
    const int64_t left = draw.Below(2 * padding_ + 1) - padding_;
    work.ShapeSpare(work.image.height, work.image.width);
    WithPixelType(work.image.type, [&](auto pixel) { Shift<decltype(pixel)>(work.image, up, left, work.spare); });
    std::swap(work.image, work.spare);
  }

 private:
  template <class T>
  void Shift(const ImageView& from, int64_t up, int64_t left, const ImageView& to) const {
    T* out = to.pixels<T>();
    for (int64_t c = 0; c < from.channels; ++c) {
      const T* plane = from.pixels<T>() + c * from.plane();
      for (int64_t i = 0; i < from.height; ++i, out += from.width) {
        const int64_t row = BorderIndex(i + up, from.height, border_);
        if (row < 0) {
          std::fill_n(out, from.width, T{});
          continue;
        }
        const T* source = plane + row * from.width;
        // The columns that lie inside of the image, and those at its sides.
        const int64_t begin = std::clamp<int64_t>(-left, 0, from.width);
        const int64_t end = std::clamp<int64_t>(from.width - left, begin, from.width);
        std::copy(source + begin + left, source + end + left, out + begin);
        const auto outside = [&](int64_t j) {
          const int64_t column = BorderIndex(j + left, from.width, border_);
          out[j] = column < 0 ? T{} : source[column];
        };
        for (int64_t j = 0; j < begin; ++j) outside(j);
        for (int64_t j = end; j < from.width; ++j) outside(j);
      }
    }
  }

  const int64_t padding_;
  const v1::Border border_;
};

const Registered<Augmentation, v1::PadAndCrop> kPadAndCrop(
    "Pads all sides, then cuts out the old size at a random place.",
    [](v1::PadAndCrop& config, const FieldErrors& errors) {
      if (!config.has_padding()) config.set_padding(4);
      if (config.padding() < 1) errors.At("padding").Add("must be at least 1");
      config.set_border(ResolveBorder(config.border(), errors));
      return std::make_unique<PadAndCropAugmentation>(config);
    });

}  // namespace
}  // namespace traind::core
