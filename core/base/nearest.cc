#include "core/base/nearest.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace traind::core {
namespace {

constexpr size_t kMostNames = 10'000;

// Insertions, deletions and changes of one character each that make `name` one of the form `pattern`.
size_t PatternDistance(absl::string_view pattern, absl::string_view name) {
  std::vector<size_t> row(name.size() + 1), next(name.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (const char c : pattern) {
    next[0] = row[0] + (c == '*' ? 0 : 1);
    for (size_t j = 1; j <= name.size(); ++j) {
      next[j] = c == '*' ? std::min(row[j], next[j - 1])
                         : std::min({row[j] + 1, next[j - 1] + 1, row[j - 1] + (c == name[j - 1] ? 0 : 1)});
    }
    std::swap(row, next);
  }
  return row.back();
}

}  // namespace

std::vector<std::string> NearestNames(absl::string_view pattern, absl::Span<const std::string> names, size_t most) {
  std::vector<std::pair<size_t, const std::string*>> ranked;
  for (const std::string& name : names.subspan(0, kMostNames)) {
    ranked.emplace_back(PatternDistance(pattern, name), &name);
  }
  std::stable_sort(ranked.begin(), ranked.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<std::string> nearest;
  for (size_t i = 0; i < std::min(most, ranked.size()); ++i) nearest.push_back(*ranked[i].second);
  return nearest;
}

}  // namespace traind::core
