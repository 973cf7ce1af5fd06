// A small network with every registered layer, activation, block and preset, for tests that hold for all of them. A new
// kind without required fields is covered by itself; one with required fields needs its line in examples.h.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "core/tensor/tensor.h"
#include "traind/v1/dataset.pb.h"

namespace traind::core {

struct KindCase {
  std::string name;     // "layer_dense"
  std::string network;  // Text of v1::Network without the input shape; reads images or token ids, gives 5 values.

  // Of the images, which are as large as the kind needs them.
  int side() const;
  bool tokens() const;
  // [3, side, side], or [12] token ids below 20.
  Shape shape() const;
  std::string input_shape() const;  // "input_shape: [3, 8, 8] "
  // So many examples of it, with 5 classes; the dataset's id is "images".
  v1::Dataset Import(const std::string& folder, int count) const;
};

inline void PrintTo(const KindCase& kind, std::ostream* out) { *out << kind.name; }

std::vector<KindCase> KindCases();

}  // namespace traind::core
