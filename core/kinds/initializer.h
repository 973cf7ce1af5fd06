// What every weight initialization is: a pure function from (config, shape, fans, random stream) to numbers. One kind
// is one .cc file in core/initializers. Thread-safe.
#pragma once

#include <cstdint>

#include "absl/types/span.h"
#include "core/base/random.h"
#include "core/base/registry.h"
#include "core/tensor/tensor.h"
#include "traind/v1/initializer.pb.h"

namespace traind::core {

class Initializer {
 public:
  struct Fans {
    int64_t in = 1;
    int64_t out = 1;
  };

  virtual ~Initializer() = default;

  // Fills `values` (row-major, of `shape`). The same stream gives the same numbers, whatever the number of threads.
  virtual void Fill(absl::Span<const int64_t> shape, Fans fans, const RandomStream& random,
                    absl::Span<float> values) const = 0;

  // False when all units of a layer would start, and so stay, the same (slide 45).
  virtual bool breaks_symmetry() const { return true; }
  // False when it lets the variance shrink, layer by layer, behind relu.
  virtual bool suits_relu() const { return true; }
};

}  // namespace traind::core
