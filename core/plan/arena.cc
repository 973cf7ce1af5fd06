#include "core/plan/arena.h"

#include <algorithm>
#include <numeric>

#include "core/tensor/buffer.h"

namespace traind::core {

ArenaLayout PlaceInArena(absl::Span<const Lifetime> lifetimes) {
  std::vector<int> by_size(lifetimes.size());
  std::iota(by_size.begin(), by_size.end(), 0);
  std::stable_sort(by_size.begin(), by_size.end(),
                   [&](int a, int b) { return lifetimes[a].bytes > lifetimes[b].bytes; });

  ArenaLayout layout;
  layout.offsets.resize(lifetimes.size());
  std::vector<int> placed;  // In the order of their offsets.
  for (int i : by_size) {
    constexpr int64_t kAlignment = Buffer::kAlignment;
    const int64_t bytes = (lifetimes[i].bytes + kAlignment - 1) / kAlignment * kAlignment;
    int64_t offset = 0;
    for (int other : placed) {
      if (lifetimes[other].last < lifetimes[i].first || lifetimes[i].last < lifetimes[other].first) continue;
      if (layout.offsets[other] >= offset + bytes) break;
      offset =
          std::max(offset, (layout.offsets[other] + lifetimes[other].bytes + kAlignment - 1) / kAlignment * kAlignment);
    }
    layout.offsets[i] = offset;
    layout.bytes = std::max(layout.bytes, offset + bytes);
    placed.insert(
        std::upper_bound(placed.begin(), placed.end(), offset, [&](int64_t o, int k) { return o < layout.offsets[k]; }),
        i);
  }
  return layout;
}

}  // namespace traind::core
