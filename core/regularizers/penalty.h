// The penalty of fixed strength that every kind in this folder is.
#pragma once

#include "core/base/require.h"
#include "core/kinds/regularizer.h"

namespace traind::core {

class Penalty final : public Regularizer {
 public:
  explicit Penalty(PenaltyStrength strength) : strength_(strength) {}
  PenaltyStrength strength() const override { return strength_; }

 private:
  const PenaltyStrength strength_;
};

inline bool IsStrength(double value) { return value >= 0 && IsFiniteFloat(value); }

}  // namespace traind::core
