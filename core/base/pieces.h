// Sums over a minibatch for the gradients of learned activation parameters: the examples are split into pieces that
// depend on the batch alone, each piece has its own sums, and these are added in order. So the result does not depend
// on the number of threads.
#pragma once

#include <algorithm>
#include <cstdint>

namespace traind::core {

struct Pieces {
  static constexpr int64_t kMost = 64;

  explicit Pieces(int64_t examples) : batch(examples), count(std::min(examples, kMost)) {}
  int64_t begin(int64_t piece) const { return batch * piece / count; }
  int64_t end(int64_t piece) const { return batch * (piece + 1) / count; }

  int64_t batch;
  int64_t count;
};

}  // namespace traind::core
