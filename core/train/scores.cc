#include "core/train/scores.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace traind::core {

std::optional<double> AreaUnderRoc(const std::vector<float>& scores, const std::vector<bool>& positive) {
  std::vector<std::pair<float, bool>> sorted(scores.size());
  int64_t positives = 0;
  for (size_t i = 0; i < scores.size(); ++i) {
    if (std::isnan(scores[i])) return std::nullopt;
    sorted[i] = {scores[i], positive[i]};
    positives += positive[i] ? 1 : 0;
  }
  const int64_t negatives = static_cast<int64_t>(scores.size()) - positives;
  if (positives == 0 || negatives == 0) return std::nullopt;
  std::sort(sorted.begin(), sorted.end());
  double twice_won = 0;  // Pairs in which the positive is larger, twice, and equal pairs.
  int64_t below = 0;     // Negatives so far.
  for (size_t i = 0; i < sorted.size();) {
    int64_t here[2] = {};  // Negatives and positives of one score.
    for (const float score = sorted[i].first; i < sorted.size() && sorted[i].first == score; ++i) {
      ++here[sorted[i].second ? 1 : 0];
    }
    twice_won += static_cast<double>(here[1]) * static_cast<double>(2 * below + here[0]);
    below += here[0];
  }
  return twice_won / 2 / static_cast<double>(positives) / static_cast<double>(negatives);
}

}  // namespace traind::core
