// Pastes a rectangle of another example of the minibatch and blends the targets by its area (Yun et al. 2019). Sides
// sqrt(1 - w) of the image's, w ~ Beta(alpha, alpha), around any pixel; what hangs over the edge is cut off, and the
// targets go by what is left. One rectangle for each step.
#include <algorithm>
#include <cmath>
#include <memory>

#include "core/data/augmentation/blend.h"
#include "core/kinds/augmentation.h"

namespace traind::core {
namespace {

class CutmixAugmentation final : public BatchAugmentation {
 public:
  explicit CutmixAugmentation(const v1::Cutmix& config) : config_(config) {}

  Shape SetShape(const Shape& shape, const FieldErrors& errors) override {
    if (shape.size() != 3) {
      errors.Add(absl::StrCat("needs images [channels, height, width]; the examples are ", ToString(shape)));
    }
    return shape_ = shape;
  }
  bool needs_pixels() const override { return true; }

  void Blend(const RandomStream& stream, uint64_t step, double probability, const Minibatch& from, const Minibatch& to,
             Pairing& pairing) const override {
    Draw draw(stream, step, Draw::kWholeStep);
    const bool changes = draw.Unit() < probability;
    const double side = changes ? std::sqrt(1 - draw.Beta(config_.alpha())) : 0;
    const auto [top, bottom] = Range(draw, shape_[1], side);
    const auto [left, right] = Range(draw, shape_[2], side);
    DrawPartners(draw, from.count, pairing);
    const int64_t pixels = shape_[1] * shape_[2];
    const int64_t pasted = (bottom - top) * (right - left);
    std::fill(pairing.weight.begin(), pairing.weight.end(),
              static_cast<float>(1 - static_cast<double>(pasted) / static_cast<double>(pixels)));
    std::copy_n(from.examples, from.count * from.elements, to.examples);
    for (int64_t i = 0; i < from.count; ++i) {
      for (int64_t c = 0; c < shape_[0]; ++c) {
        for (int64_t row = top; row < bottom; ++row) {
          const int64_t place = c * pixels + row * shape_[2];
          const float* other = from.examples + pairing.partner[i] * from.elements + place;
          std::copy(other + left, other + right, to.examples + i * from.elements + place + left);
        }
      }
    }
    BlendRows(from.targets, pairing, from.outputs, to.targets);
  }

 private:
  static std::pair<int64_t, int64_t> Range(Draw& draw, int64_t n, double share) {
    const int64_t length = std::llround(share * static_cast<double>(n));
    const int64_t begin = draw.Below(n) - length / 2;
    return {std::clamp<int64_t>(begin, 0, n), std::clamp<int64_t>(begin + length, 0, n)};
  }

  const v1::Cutmix config_;
  Shape shape_;
};

const Registered<Augmentation, v1::Cutmix> kCutmix(
    "Pastes a rectangle of another example and blends the labels by its area.",
    [](v1::Cutmix& config, const FieldErrors& errors) {
      if (!config.has_alpha()) config.set_alpha(1);
      RequireAlpha(config.alpha(), errors);
      return std::make_unique<CutmixAugmentation>(config);
    });

}  // namespace
}  // namespace traind::core
