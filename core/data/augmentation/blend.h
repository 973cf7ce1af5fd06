// The pairs of mixup and cutmix.
#pragma once

#include <cstdint>
#include <numeric>
#include <utility>

#include "core/kinds/augmentation.h"

namespace traind::core {

// to = weight * own + (1 - weight) * partner, row by row of n numbers each.
void BlendRows(const float* from, const BatchAugmentation::Pairing& pairing, int64_t n, float* to);

// Every example gets a partner, by a uniform permutation (Durstenfeld 1964), and the weight 1.
inline void DrawPartners(Draw& draw, int64_t count, BatchAugmentation::Pairing& pairing) {
  pairing.partner.resize(static_cast<size_t>(count));
  std::iota(pairing.partner.begin(), pairing.partner.end(), 0u);
  for (int64_t i = count - 1; i > 0; --i) std::swap(pairing.partner[i], pairing.partner[draw.Below(i + 1)]);
  pairing.weight.assign(static_cast<size_t>(count), 1.0f);
}

// Shared check of alpha: beyond these the weight is as good as 0 or 1, or as 1/2, always.
inline void RequireAlpha(double alpha, const FieldErrors& errors) {
  Require(alpha >= 0.001 && alpha <= 1000, errors, "alpha", "0.001 to 1000", alpha);
}

}  // namespace traind::core
