#include "client/cli/search.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "client/cli/text.h"

namespace traind::client {
namespace {

std::optional<double> Finite(absl::string_view text) {
  double number = 0;
  if (!absl::SimpleAtod(text, &number) || !std::isfinite(number)) return std::nullopt;
  return number;
}

double OnScale(const SearchAxis& axis, double value) { return axis.logarithmic ? std::log(value) : value; }

}  // namespace

std::string AxisTitle(absl::string_view path) {
  const size_t dot = path.rfind('.');
  const size_t close = path.rfind(']');
  const absl::string_view name = dot == path.npos ? path : path.substr(dot + 1);
  const size_t open = close == path.npos ? path.npos : path.rfind('[', close);
  if (open == path.npos || open == 0) return std::string(name);
  const size_t list = path.rfind('.', open);
  absl::string_view element =
      path.substr(list == path.npos ? 0 : list + 1, close + 1 - (list == path.npos ? 0 : list + 1));
  // An element's own name says enough.
  const absl::string_view index = path.substr(open + 1, close - open - 1);
  if (index.find_first_not_of("0123456789") != index.npos)
    element = absl::StripSuffix(absl::StripPrefix(index, "\""), "\"");
  return dot == path.npos || dot < close ? std::string(element) : absl::StrCat(element, ".", name);
}

std::string ShortValue(absl::string_view value) {
  const std::optional<double> number = Finite(value);
  return number && value.size() > 8 ? absl::StrFormat("%.4g", *number) : std::string(value);
}

std::optional<double> PlaceOn(const SearchAxis& axis, absl::string_view value) {
  if (!axis.choices.empty()) {
    const auto found = std::find(axis.choices.begin(), axis.choices.end(), value);
    if (found == axis.choices.end()) return std::nullopt;
    if (axis.choices.size() == 1) return 0.5;
    return static_cast<double>(found - axis.choices.begin()) / static_cast<double>(axis.choices.size() - 1);
  }
  const std::optional<double> number = Finite(value);
  if (!number || (axis.logarithmic && *number <= 0)) return std::nullopt;
  const double low = OnScale(axis, axis.low), high = OnScale(axis, axis.high);
  if (!(low < high)) return 0.5;
  return std::clamp((OnScale(axis, *number) - low) / (high - low), 0.0, 1.0);
}

SearchAxis Widened(SearchAxis axis, const std::vector<std::string>& values) {
  if (!axis.choices.empty()) return axis;
  for (const std::string& value : values) {
    const std::optional<double> number = Finite(value);
    if (!number || (axis.logarithmic && *number <= 0)) continue;
    axis.low = std::min(axis.low, *number);
    axis.high = std::max(axis.high, *number);
  }
  return axis;
}

std::string LowEnd(const SearchAxis& axis) {
  return axis.choices.empty() ? FormatNumber(axis.low) : axis.choices.front();
}

std::string HighEnd(const SearchAxis& axis) {
  return axis.choices.empty() ? FormatNumber(axis.high) : axis.choices.back();
}

std::optional<size_t> BestTrial(const Search& search) {
  if (search.chosen) return search.chosen;
  std::optional<size_t> best;
  for (size_t i = 0; i < search.trials.size(); ++i) {
    const std::optional<double>& objective = search.trials[i].objective;
    if (objective && (!best || IsBetter(search, *objective, *search.trials[*best].objective))) best = i;
  }
  return best;
}

std::vector<double> BestSoFar(const Search& search) {
  std::vector<double> best;
  for (const SearchTrial& trial : search.trials) {
    if (!trial.objective) continue;
    const bool better = best.empty() || IsBetter(search, *trial.objective, best.back());
    best.push_back(better ? *trial.objective : best.back());
  }
  return best;
}

double ObjectiveScale::Place(double objective) const {
  if (worst == best) return 1;
  return std::clamp((objective - worst) / (best - worst), 0.0, 1.0);
}

ObjectiveScale ScaleOf(const Search& search) {
  constexpr double kFar = 4;
  const std::vector<double> best = BestSoFar(search);
  if (best.empty()) return {};
  const double top = best.back();
  std::vector<double> gaps;  // To the best.
  for (const SearchTrial& trial : search.trials) {
    if (trial.objective) gaps.push_back(std::abs(top - *trial.objective));
  }
  std::sort(gaps.begin(), gaps.end());
  const double median = gaps[gaps.size() / 2];
  double farthest = gaps.back();
  if (median > 0 && farthest > kFar * median) {
    farthest = *(std::upper_bound(gaps.begin(), gaps.end(), kFar * median) - 1);
  }
  ObjectiveScale scale{.worst = search.maximize ? top - farthest : top + farthest, .best = top};
  scale.beyond = static_cast<int>(gaps.end() - std::upper_bound(gaps.begin(), gaps.end(), farthest));
  return scale;
}

}  // namespace traind::client
