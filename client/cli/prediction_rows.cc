#include "client/cli/prediction_rows.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "absl/strings/str_cat.h"

namespace traind::client {

double PredictionRows::answer(int64_t i, int64_t j) const {
  if (part_.log_counts()) return std::exp(output(i, j));
  return probabilities() ? part_.probabilities(At(i, j)) : output(i, j);
}

std::vector<RankedClass> PredictionRows::Top(int64_t i, int count) const {
  const auto score = [&](int64_t j) {
    return double{probabilities() ? part_.probabilities(At(i, j)) : part_.outputs(At(i, j))};
  };
  // One output for two classes is the probability of the second one.
  if (width() == 1) {
    const int64_t first = chosen(i);
    const auto of = [&](int64_t c) { return c == 1 || !probabilities() ? score(0) : 1 - score(0); };
    std::vector<RankedClass> both = {{first, of(first)}};
    if (count > 1 && probabilities()) both.push_back({1 - first, of(1 - first)});
    return both;
  }
  std::vector<int64_t> order(static_cast<size_t>(width()));
  std::iota(order.begin(), order.end(), 0);
  const auto most = std::min<int64_t>(count, width());
  // The chosen one first, also among equals.
  std::partial_sort(order.begin(), order.begin() + most, order.end(), [&](int64_t a, int64_t b) {
    if ((a == chosen(i)) != (b == chosen(i))) return a == chosen(i);
    return score(a) != score(b) ? score(a) > score(b) : a < b;
  });
  std::vector<RankedClass> top;
  for (int64_t k = 0; k < most; ++k)
    top.push_back({order[static_cast<size_t>(k)], score(order[static_cast<size_t>(k)])});
  return top;
}

std::string PredictionRows::ClassName(int64_t index) const {
  return index >= 0 && index < names_.class_names_size() ? names_.class_names(static_cast<int>(index))
                                                         : absl::StrCat(index);
}

std::string PredictionRows::TargetName(int64_t j) const {
  return j < names_.target_names_size() ? names_.target_names(static_cast<int>(j)) : absl::StrCat("target", j);
}

}  // namespace traind::client
