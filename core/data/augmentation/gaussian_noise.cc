// Adds N(0, std^2) to each value; std is in colours from 0 to 1, so that bytes take 255 times as much.
#include <memory>

#include "core/kinds/augmentation.h"

namespace traind::core {
namespace {

class GaussianNoiseAugmentation final : public ImageAugmentation {
 public:
  explicit GaussianNoiseAugmentation(double std) : std_(std) {}

  void Apply(Draw& draw, Workspace& work) const override {
    const ImageView& image = work.image;
    const auto std = static_cast<float>(image.type == v1::ELEMENT_TYPE_UINT8 ? 255 * std_ : std_);
    WithPixelType(image.type, [&](auto pixel) {
      using T = decltype(pixel);
      T* x = image.pixels<T>();
      for (int64_t i = 0; i < image.elements(); ++i) x[i] = ToPixel<T>(static_cast<float>(x[i]) + std * draw.Normal());
    });
  }

 private:
  const double std_;
};

const Registered<Augmentation, v1::GaussianNoise> kGaussianNoise(
    "Adds a random number to each value of each pixel.", [](v1::GaussianNoise& config, const FieldErrors& errors) {
      if (!config.has_std()) config.set_std(0.05);
      Require(config.std() > 0 && config.std() <= 10, errors, "std", "in (0, 10]", config.std());
      return std::make_unique<GaussianNoiseAugmentation>(config.std());
    });

}  // namespace
}  // namespace traind::core
