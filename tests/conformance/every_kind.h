// A small network with every registered layer, activation, block and preset, for tests that hold for all of them. A new
// kind without required fields is covered by itself; one with required fields needs its line in examples.h.
#pragma once

#include <ostream>
#include <string>
#include <vector>

namespace traind::core {

struct KindCase {
  std::string name;     // "layer_dense"
  std::string network;  // Text of v1::Network without the input shape; reads images, gives 5 values.

  // Of the images, which are as large as the kind needs them: [3, side, side].
  int side() const;
};

inline void PrintTo(const KindCase& kind, std::ostream* out) { *out << kind.name; }

std::vector<KindCase> KindCases();

}  // namespace traind::core
