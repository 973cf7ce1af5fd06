#include "core/base/bfloat16.h"

namespace traind::core {

TRAIND_VECTORIZED void Round(const float* __restrict w, int64_t n, Bfloat16* __restrict out) {
  for (int64_t i = 0; i < n; ++i) out[i] = FromFloat<Bfloat16>(w[i]);
}

}  // namespace traind::core
