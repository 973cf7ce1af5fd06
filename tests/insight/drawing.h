// Two curves in one small SVG, legible on a light and on a dark page. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace traind::insight {

struct Drawing {
  std::string quantity;                           // "training loss".
  std::vector<std::pair<uint64_t, double>> with;  // The fault: steps and values; what is not finite is a gap.
  std::vector<std::pair<uint64_t, double>> without;
  std::string without_name;                 // "mended".
  std::optional<uint64_t> noticed_at = {};  // A step, with a mark.
  std::string noticed = {};                 // What stands beside it.
};

// Below 8 KiB: of a longer curve the means of its parts. The scale is logarithmic where positive values span more than
// a factor of 30.
std::string Draw(const Drawing& drawing);

}  // namespace traind::insight
