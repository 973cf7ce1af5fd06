#include "core/search/median.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/search/space.h"

namespace traind::core {
namespace {

// The mean of the values up to the step; nullopt: there is none.
std::optional<double> RunningMean(const SearchTrial& trial, uint64_t step) {
  double sum = 0;
  int count = 0;
  for (const v1::Measurement& measurement : trial.measurements) {
    if (measurement.step() > step) break;
    sum += measurement.value();
    ++count;
  }
  if (count == 0) return std::nullopt;
  return sum / count;
}

}  // namespace

std::string WhyMedianStops(const Search& search, const SearchTrial& trial) {
  if (trial.measurements.empty()) return "";
  const uint64_t step = trial.measurements.back().step();
  const v1::MedianStopping& rule = search.spec().median_stopping();
  if (step < rule.min_steps()) return "";
  std::vector<double> means;
  for (const SearchTrial& other : search.trials()) {
    if (other.state != v1::TRIAL_STATE_SUCCEEDED && other.state != v1::TRIAL_STATE_STOPPED) continue;
    if (const auto mean = RunningMean(other, step); mean.has_value()) means.push_back(*mean);
  }
  if (means.size() < rule.min_trials()) return "";
  // What is no number is worse than all others, so it sorts to the end.
  std::sort(means.begin(), means.end(), [&](double a, double b) { return search.Better(a, b); });
  const size_t middle = means.size() / 2;
  const double median = means.size() % 2 == 1 ? means[middle] : (means[middle - 1] + means[middle]) / 2;
  double best = trial.measurements[0].value();
  for (const v1::Measurement& measurement : trial.measurements) {
    if (search.Better(measurement.value(), best)) best = measurement.value();
  }
  if (!search.Better(median, best)) return "";
  return absl::StrCat("its best ", search.spec().objective().metric(), " up to step ", step, " is ", NumberText(best),
                      ", worse than the median ", NumberText(median), " of ", means.size(), " trials");
}

}  // namespace traind::core
