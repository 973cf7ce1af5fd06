#include "core/kinds/loss.h"

namespace traind::core {

int64_t CountCorrect(const float* output, const int32_t* labels, int64_t n, int64_t outputs) {
  int64_t correct = 0;
  for (int64_t i = 0; i < n; ++i) {
    const float* x = output + i * outputs;
    const int32_t label = labels[i];
    bool wins = true;  // Comparisons with NaN are false, so that it never wins.
    for (int64_t c = 0; c < label; ++c) wins &= x[c] < x[label];
    for (int64_t c = label; c < outputs; ++c) wins &= x[c] <= x[label];
    correct += wins ? 1 : 0;
  }
  return correct;
}

}  // namespace traind::core
