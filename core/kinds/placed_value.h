// How the kernels that we write ourselves find a layer's input: with a layout that they can walk. Not thread-safe; the
// planner keeps all errors.
#pragma once

#include "core/kinds/planner.h"
#include "core/tensor/layout.h"

namespace traind::core {

// A value and the form of its layout.
struct PlacedValue {
  Value value;
  Layout layout;
};

// The layer's input in the plan's compute type, in the layout in which it comes where that has a Layout, else plain.
PlacedValue PlacedInput(Planner& planner);

// The same of the i-th input, for what looks at channels: a flattened image is brought to [batch, features].
PlacedValue PlacedChannels(Planner& planner, int i = 0);

// The same, always row-major.
PlacedValue PlacedPlain(Planner& planner);

}  // namespace traind::core
