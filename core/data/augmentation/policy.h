// The operations that rand_augment and trivial_augment draw from.
#pragma once

#include <cstdint>

#include "core/kinds/augmentation.h"

namespace traind::core {

// How far an operation goes at its strongest.
struct Strongest {
  double shear = 0;      // Pixels sideways for each pixel up, and upwards for each pixel sideways.
  double translate = 0;  // Share of the side, in (0, 1],
  double pixels = 0;     // or, above 0, so many pixels; at most the side.
  double degrees = 0;
  double colour = 0;  // Factors 1 - colour and 1 + colour.
};

class Policy {
 public:
  Policy(const Strongest& strongest, v1::Border border) : strongest_(strongest), border_(border) {}

  // Images of one or three channels; others are a violation.
  void SetShape(const Shape& shape, const FieldErrors& errors);
  // One of the operations, drawn, as is its direction. `level` is its strength, from 0 (nothing) to 1.
  void ApplyOne(Draw& draw, double level, ImageAugmentation::Workspace& work) const;

 private:
  const Strongest strongest_;
  const v1::Border border_;
  bool colours_ = false;
};

}  // namespace traind::core
