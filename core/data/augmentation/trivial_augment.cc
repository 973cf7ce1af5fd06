// One operation of a random strength (Mueller & Hutter, "TrivialAugment", ICCV 2021), in the wide ranges of the paper's
// table; the strength is one of 31, as there.
#include <memory>

#include "core/data/augmentation/policy.h"

namespace traind::core {
namespace {

class TrivialAugmentation final : public ImageAugmentation {
 public:
  explicit TrivialAugmentation(v1::Border border)
      : policy_({.shear = 0.99, .pixels = 32, .degrees = 135, .colour = 0.99}, border) {}

  Shape SetShape(const Shape& shape, const FieldErrors& errors) override {
    policy_.SetShape(shape, errors);
    return shape;
  }
  void Apply(Draw& draw, Workspace& work) const override {
    const double level = static_cast<double>(draw.Below(31)) / 30;
    policy_.ApplyOne(draw, level, work);
  }

 private:
  Policy policy_;
};

const Registered<Augmentation, v1::TrivialAugment> kTrivialAugment(
    "One random operation of a random strength: a movement of the image, or a change of its colour.",
    [](v1::TrivialAugment& config, const FieldErrors& errors) {
      config.set_border(ResolveBorder(config.border(), errors));
      return std::make_unique<TrivialAugmentation>(config.border());
    });

}  // namespace
}  // namespace traind::core
