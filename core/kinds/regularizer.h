// What every penalty is (slide 69). All of the lecture's are sums over single weights of l1 |w| + l2 w^2, which is what
// the optimizer's pass applies; max_norm is a constraint on rows of weights, which core/train/max_norm.h applies
// after it. One kind is one .cc file in core/regularizers. Immutable; thread-safe.
#pragma once

#include <array>
#include <limits>

#include "core/base/registry.h"
#include "traind/v1/regularizer.pb.h"

namespace traind::core {

struct PenaltyStrength {
  double l1 = 0;                                              // The term l1 * sum |w|, gradient l1 * sign(w).
  double l2 = 0;                                              // The term l2 * sum w^2, gradient 2 * l2 * w.
  double max_norm = std::numeric_limits<double>::infinity();  // Of a row of weights: a constraint, no term.
};

// A strength for each v1::ParameterGroup, by its number.
using GroupPenalties = std::array<PenaltyStrength, v1::ParameterGroup_ARRAYSIZE>;

class Regularizer {
 public:
  virtual ~Regularizer() = default;
  virtual PenaltyStrength strength() const = 0;
  // Whether it is for rows of weights only, and for no other group.
  virtual bool of_rows() const { return false; }
};

}  // namespace traind::core
