#include "core/layers/pooling_regions.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace traind::core {
namespace {

// starts[0] = 0 to starts[n] = span in n steps of 1 and 2, all orders equally likely: step by step, with the share of
// twos among those that are left.
void DrawRandom(const RandomStream& random, uint64_t step, uint32_t example, uint32_t first_block, int64_t span,
                int64_t n, int32_t* starts) {
  int64_t twos = span - n;
  std::array<uint32_t, 4> words = {};
  starts[0] = 0;
  for (int64_t i = 0; i < n; ++i) {
    if (i % 4 == 0) words = random.Block(step, example, first_block + static_cast<uint32_t>(i / 4));
    const uint64_t left = static_cast<uint64_t>(n - i);
    const bool two = static_cast<int64_t>((words[i % 4] * left) >> 32) < twos;
    twos -= two ? 1 : 0;
    starts[i + 1] = starts[i] + (two ? 2 : 1);
  }
}

// ceil(a (i + u)) - ceil(a u) with a = span / n, in integers: u is a multiple of 2^-24.
void DrawPseudoRandom(const RandomStream& random, uint64_t step, uint32_t example, uint32_t first_block, int64_t span,
                      int64_t n, int32_t* starts) {
  const uint64_t offset = (random.Block(step, example, first_block)[0] >> 8) * static_cast<uint64_t>(span);
  const uint64_t divisor = static_cast<uint64_t>(n) << 24;
  const auto ceiling = [&](uint64_t i) {
    const uint64_t whole = static_cast<uint64_t>(span) * i / static_cast<uint64_t>(n);
    const uint64_t rest = static_cast<uint64_t>(span) * i % static_cast<uint64_t>(n);
    return whole + ((rest << 24) + offset + divisor - 1) / divisor;
  };
  for (int64_t i = 0; i <= n; ++i) {
    starts[i] = static_cast<int32_t>(ceiling(static_cast<uint64_t>(i)) - ceiling(0));
  }
}

}  // namespace

int64_t RegionRule::Outputs(int64_t input) const {
  const auto wanted = static_cast<int64_t>(std::floor(static_cast<double>(input) / ratio));
  return std::clamp(wanted, (input + 1) / 2, std::max<int64_t>(input - 1, 1));
}

void RegionRule::Draw(const RandomStream& random, uint64_t step, uint32_t example, uint32_t axis, int64_t input,
                      int32_t* starts) const {
  const int64_t n = Outputs(input);
  const int64_t span = disjoint ? input : input - 1;  // An overlapping region reaches one pixel further.
  if (span < n) {                                     // One pixel, overlapping: one region.
    std::fill(starts, starts + n + 1, 0);
    return;
  }
  const uint32_t first_block = axis << 30;
  if (sequence == v1::FractionalMaxPool::SEQUENCE_PSEUDO_RANDOM) {
    DrawPseudoRandom(random, step, example, first_block, span, n, starts);
  } else {
    DrawRandom(random, step, example, first_block, span, n, starts);
  }
}

}  // namespace traind::core
