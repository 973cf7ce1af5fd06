#include "core/kinds/loss.h"

namespace traind::core {

int64_t AnswerOf(OutputMeaning meaning, const float* row, int64_t outputs) {
  int64_t best = 0;
  for (int64_t c = 0; c < outputs; ++c) {
    if (row[c] != row[c]) return -1;
    if (row[c] > row[best]) best = c;
  }
  return IsBinary(meaning, outputs) ? (row[0] > 0 ? 1 : 0) : best;
}

int64_t CountCorrect(OutputMeaning meaning, const float* output, const int32_t* labels, int64_t n, int64_t outputs) {
  int64_t correct = 0;
  for (int64_t i = 0; i < n; ++i) correct += AnswerOf(meaning, output + i * outputs, outputs) == labels[i] ? 1 : 0;
  return correct;
}

}  // namespace traind::core
