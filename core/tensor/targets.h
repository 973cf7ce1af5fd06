// What a network's output is compared with.
#pragma once

#include <cstdint>

namespace traind::core {

// The targets of a minibatch: class labels, or rows of floats (soft labels, regression). Exactly one is set.
struct Targets {
  const int32_t* labels = nullptr;  // [n], in [0, outputs).
  const float* values = nullptr;    // [n, outputs].
};

}  // namespace traind::core
