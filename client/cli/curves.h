// Curves of several runs in one picture of text. Pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace traind::client {

struct PlottedCurve {
  std::string name;                                 // For the legend.
  std::vector<std::pair<uint64_t, double>> points;  // Step and value, by step.
};

// At most three curves over the steps that they share, with one scale: the highest value at the top. Each has its own
// glyph, a column the mean of its values there, or what lies on the line between its neighbours; a value that is not
// finite stands at the top as "!". Lines ended by "\n"; empty where there is no finite value.
std::string RenderCurves(const std::vector<PlottedCurve>& curves, int width, int height);

}  // namespace traind::client
