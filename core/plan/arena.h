// Where each value of a step lives: values whose lifetimes do not overlap share memory. A pure function, tested by
// hand.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace traind::core {

// A value alive from operation `first` to operation `last`, both included.
struct Lifetime {
  int64_t bytes = 0;
  int first = 0;
  int last = 0;
};

struct ArenaLayout {
  std::vector<int64_t> offsets;  // One for each lifetime, multiples of 64.
  int64_t bytes = 0;             // Of the whole arena.
};

// Places the largest values first, each at the lowest offset where it meets none that is alive at the same time.
ArenaLayout PlaceInArena(absl::Span<const Lifetime> lifetimes);

}  // namespace traind::core
