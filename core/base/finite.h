// Whether numbers are finite, over whole arrays at the speed of memory. Vectorized; the caller's thread alone.
#pragma once

#include <cstdint>

#include "core/base/bfloat16.h"

namespace traind::core {

// The largest |x|; infinity when one of the values is infinite or NaN. 0 of no values.
float MaxMagnitude(const float* x, int64_t n);
float MaxMagnitude(const Bfloat16* x, int64_t n);

bool AllFinite(const float* x, int64_t n);
bool AllFinite(const Bfloat16* x, int64_t n);

}  // namespace traind::core
