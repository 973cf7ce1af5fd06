// How far nearest neighbours agree beyond chance, from the numbers of a DataProfile. For the rules' own files.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace traind::core {

struct Agreement {
  double value = 0;         // (agreement - chance) / (1 - chance): 1 where all agree, 0 by chance.
  double error = 0;         // Its standard error.
  double chance_error = 0;  // What its standard error would be if targets had nothing to do with the examples.
};

// Of `compared` examples, at least 1; `chance` is below 1. With numbers a squared difference of normal ones has the
// variance 2 in squares of its mean.
inline Agreement AgreementOf(double agreement, double chance, int64_t compared, bool classes) {
  const auto n = static_cast<double>(compared);
  const double value = (agreement - chance) / (1 - chance);
  if (!classes) return {value, std::max(0.0, 1 - value) * std::sqrt(2 / n), std::sqrt(2 / n)};
  return {value, std::sqrt(std::max(0.0, agreement * (1 - agreement)) / n) / (1 - chance),
          std::sqrt(chance / (1 - chance) / n)};
}

}  // namespace traind::core
