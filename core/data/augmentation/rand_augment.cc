// A few operations in a row, all of one strength (Cubuk et al., "RandAugment", NeurIPS 2020).
#include <memory>

#include "core/data/augmentation/policy.h"

namespace traind::core {
namespace {

constexpr uint32_t kMostMagnitude = 30;

class RandAugmentation final : public ImageAugmentation {
 public:
  explicit RandAugmentation(const v1::RandAugment& config)
      : operations_(config.operations()),
        level_(static_cast<double>(config.magnitude()) / kMostMagnitude),
        policy_({.shear = 0.3, .translate = 150.0 / 331, .degrees = 30, .colour = 0.9}, config.border()) {}

  Shape SetShape(const Shape& shape, const FieldErrors& errors) override {
    policy_.SetShape(shape, errors);
    return shape;
  }
  void Apply(Draw& draw, Workspace& work) const override {
    for (uint32_t i = 0; i < operations_; ++i) policy_.ApplyOne(draw, level_, work);
  }

 private:
  const uint32_t operations_;
  const double level_;
  Policy policy_;
};

const Registered<Augmentation, v1::RandAugment> kRandAugment(
    "A few random operations of one strength: movements of the image, and changes of its colour.",
    [](v1::RandAugment& config, const FieldErrors& errors) {
      if (!config.has_operations()) config.set_operations(2);
      if (!config.has_magnitude()) config.set_magnitude(9);
      Require(config.operations() >= 1 && config.operations() <= 8, errors, "operations", "1 to 8",
              config.operations());
      Require(config.magnitude() <= kMostMagnitude, errors, "magnitude", "0 to 30", config.magnitude());
      config.set_border(ResolveBorder(config.border(), errors));
      return std::make_unique<RandAugmentation>(config);
    });

}  // namespace
}  // namespace traind::core
