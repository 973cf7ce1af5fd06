#include "core/kinds/raw_examples.h"

#include <cstring>

#include "core/base/vectorize.h"

namespace traind::core {
namespace {

TRAIND_VECTORIZED void BytesToFloat(const uint8_t* x, int64_t n, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = static_cast<float>(x[i]);
}

}  // namespace

void CopyAsFloats(v1::ElementType type, const void* example, int64_t n, float* out) {
  if (type == v1::ELEMENT_TYPE_UINT8) {
    BytesToFloat(static_cast<const uint8_t*>(example), n, out);
  } else {
    std::memcpy(out, example, static_cast<size_t>(n) * sizeof(float));
  }
}

}  // namespace traind::core
