// Blends pairs of the minibatch, examples and targets alike (Zhang et al. 2018, slides 98-99):
//   x' = w x_i + (1 - w) x_j,  y' = w y_i + (1 - w) y_j,  w ~ Beta(alpha, alpha), j a random permutation of i.
#include <memory>

#include "core/base/vectorize.h"
#include "core/data/augmentation/blend.h"
#include "core/kinds/augmentation.h"

namespace traind::core {
namespace {

TRAIND_VECTORIZED void BlendRow(const float* __restrict own, const float* __restrict partner, float weight,
                                float* __restrict to, int64_t n) {
  for (int64_t i = 0; i < n; ++i) to[i] = weight * own[i] + (1 - weight) * partner[i];
}

class MixupAugmentation final : public BatchAugmentation {
 public:
  explicit MixupAugmentation(const v1::Mixup& config) : config_(config) {}

  void Blend(const RandomStream& stream, uint64_t step, double probability, const Minibatch& from, const Minibatch& to,
             Pairing& pairing) const override {
    Draw draw(stream, step, Draw::kWholeStep);
    const auto weight = [&](Draw& of) {
      return of.Unit() < probability ? static_cast<float>(of.Beta(config_.alpha())) : 1.0f;
    };
    const float shared = weight(draw);
    DrawPartners(draw, from.count, pairing);
    for (int64_t i = 0; i < from.count; ++i) {
      Draw of_example(stream, step, static_cast<uint32_t>(i));
      pairing.weight[i] = config_.per_example() ? weight(of_example) : shared;
    }
    BlendRows(from.examples, pairing, from.elements, to.examples);
    BlendRows(from.targets, pairing, from.outputs, to.targets);
  }

 private:
  const v1::Mixup config_;
};

const Registered<Augmentation, v1::Mixup> kMixup("Blends pairs of examples and of their labels (slides 98-99).",
                                                 [](v1::Mixup& config, const FieldErrors& errors) {
                                                   if (!config.has_alpha()) config.set_alpha(0.2);
                                                   RequireAlpha(config.alpha(), errors);
                                                   return std::make_unique<MixupAugmentation>(config);
                                                 });

}  // namespace

void BlendRows(const float* from, const BatchAugmentation::Pairing& pairing, int64_t n, float* to) {
  for (size_t i = 0; i < pairing.partner.size(); ++i) {
    BlendRow(from + static_cast<int64_t>(i) * n, from + static_cast<int64_t>(pairing.partner[i]) * n, pairing.weight[i],
             to + static_cast<int64_t>(i) * n, n);
  }
}

}  // namespace traind::core
