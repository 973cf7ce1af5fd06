// Covers one random rectangle (Zhong et al., "Random erasing data augmentation", AAAI 2020, algorithm 1).
#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "core/data/augmentation/fill.h"
#include "core/kinds/augmentation.h"

namespace traind::core {
namespace {

class RandomErasingAugmentation final : public ImageAugmentation {
 public:
  explicit RandomErasingAugmentation(const v1::RandomErasing& config) : config_(config), fill_(config.fill()) {}

  double default_probability() const override { return 0.5; }
  Shape SetShape(const Shape& shape, const FieldErrors& /*errors*/) override {
    fill_.SetChannels(shape[0]);
    return shape;
  }
  bool needs_fit() const override { return fill_.needs_fit(); }
  void Fit(const TrainingExamples& examples, int64_t pixels) override { fill_.Fit(examples, pixels); }
  std::vector<Tensor> parameters() const override { return fill_.parameters(); }
  std::vector<Tensor> parameter_shapes() const override { return fill_.parameter_shapes(); }
  void SetParameters(absl::Span<const Tensor> parameters) override { fill_.SetParameters(parameters); }

  // Area and the logarithm of the aspect are uniform, as torchvision draws them.
  void Apply(Draw& draw, Workspace& work) const override {
    const ImageView& image = work.image;
    for (int attempt = 0; attempt < 10; ++attempt) {
      const double area = static_cast<double>(image.plane()) * draw.Uniform(config_.min_area(), config_.max_area());
      const double aspect = std::exp(draw.Uniform(std::log(config_.min_aspect()), std::log(config_.max_aspect())));
      const auto height = std::max<int64_t>(1, std::llround(std::sqrt(area / aspect)));
      const auto width = std::max<int64_t>(1, std::llround(std::sqrt(area * aspect)));
      if (height > image.height || width > image.width) continue;
      const int64_t top = draw.Below(image.height - height + 1), left = draw.Below(image.width - width + 1);
      fill_.Cover(draw, image, top, top + height, left, left + width);
      return;
    }
  }

 private:
  const v1::RandomErasing config_;
  Fill fill_;
};

const Registered<Augmentation, v1::RandomErasing> kRandomErasing(
    "Covers a random rectangle with noise, the mean or zeros, half of the time.",
    [](v1::RandomErasing& config, const FieldErrors& errors) {
      if (!config.has_min_area()) config.set_min_area(0.02);
      if (!config.has_max_area()) config.set_max_area(1.0 / 3);
      if (!config.has_min_aspect()) config.set_min_aspect(0.3);
      if (!config.has_max_aspect()) config.set_max_aspect(1 / 0.3);
      Require(config.min_area() > 0 && config.min_area() <= 1, errors, "min_area", "in (0, 1]", config.min_area());
      Require(config.max_area() >= config.min_area() && config.max_area() <= 1, errors, "max_area", "min_area to 1",
              config.max_area());
      Require(config.min_aspect() >= 0.01 && config.min_aspect() <= 100, errors, "min_aspect", "0.01 to 100",
              config.min_aspect());
      Require(config.max_aspect() >= config.min_aspect() && config.max_aspect() <= 100, errors, "max_aspect",
              "min_aspect to 100", config.max_aspect());
      ResolveFill(config, v1::Cutout::FILL_NOISE, errors);
      return std::make_unique<RandomErasingAugmentation>(config);
    });

}  // namespace
}  // namespace traind::core
