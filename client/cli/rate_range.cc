#include "client/cli/rate_range.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/curves.h"
#include "client/cli/text.h"

namespace traind::client {
namespace {

constexpr double kKeep = 0.95;       // Of the smoothed loss for each step.
constexpr double kLeastFall = 0.05;  // Of the first loss.

// Significant digits that a suggestion has.
double Rounded(double rate) {
  if (!(rate > 0) || !std::isfinite(rate)) return rate;
  const double unit = std::pow(10, std::floor(std::log10(rate)) - 1);
  return std::round(rate / unit) * unit;
}

}  // namespace

v1::JobSpec RangeTestSpec(const v1::JobSpec& spec, const RangeTestPlan& plan) {
  v1::JobSpec test = spec;
  v1::Optimizer& optimizer = *test.mutable_optimizer();
  optimizer.set_learning_rate(plan.first_rate);
  optimizer.clear_ema();
  optimizer.clear_swa();
  optimizer.clear_schedule();
  v1::ExponentialSchedule& rise = *optimizer.mutable_schedule()->mutable_exponential();
  rise.set_factor(plan.last_rate / plan.first_rate);
  rise.set_every_steps(plan.steps - 1);
  test.set_steps(plan.steps);
  test.set_metrics_every_steps(1);
  test.mutable_statistics()->set_every_steps(0);
  test.mutable_data()->set_evaluation_split("none");
  test.mutable_data()->set_test_split("none");
  test.mutable_data()->clear_validation_fraction();
  test.mutable_data()->clear_folds();
  test.clear_evaluation();
  test.clear_early_stopping();
  test.clear_lottery_ticket();
  test.mutable_checkpoint()->set_every_steps(0);
  test.mutable_checkpoint()->mutable_every()->Clear();
  test.mutable_checkpoint()->clear_best_metric();
  test.mutable_insight()->Clear();
  test.mutable_insight()->set_profile(v1::InsightSpec::PROFILE_OFF);
  return test;
}

double RateAt(const RangeTestPlan& plan, uint64_t step) {
  const double passed = (static_cast<double>(step) - 1) / (plan.steps - 1);
  return plan.first_rate * std::pow(plan.last_rate / plan.first_rate, passed);
}

std::string LeftOut(const v1::JobSpec& spec) {
  std::vector<std::string> names;
  const v1::Optimizer& optimizer = spec.optimizer();
  if (optimizer.has_schedule()) names.emplace_back("optimizer.schedule");
  if (optimizer.has_ema()) names.emplace_back("optimizer.ema");
  if (optimizer.has_swa()) names.emplace_back("optimizer.swa");
  if (spec.has_lottery_ticket()) names.emplace_back("lottery_ticket");
  return absl::StrJoin(names, ", ");
}

std::vector<double> SmoothLosses(const std::vector<RatePoint>& points) {
  std::vector<double> smooth;
  double sum = 0, weight = 0;
  for (const RatePoint& point : points) {
    sum = kKeep * sum + point.loss;
    weight = kKeep * weight + 1;
    smooth.push_back(sum / weight);
  }
  return smooth;
}

bool HasDiverged(const std::vector<RatePoint>& points, uint32_t steps) {
  if (points.empty()) return false;
  if (!std::isfinite(points.back().loss)) return true;
  if (points.size() * 10 < steps) return false;
  const std::vector<double> smooth = SmoothLosses(points);
  const double best = *std::min_element(smooth.begin(), smooth.end());
  return smooth.back() > 2 * std::abs(smooth.front()) && smooth.back() > smooth.front() + (smooth.front() - best);
}

std::optional<RateFound> FindRate(const std::vector<RatePoint>& points) {
  std::vector<double> smooth = SmoothLosses(points);
  while (!smooth.empty() && !std::isfinite(smooth.back())) smooth.pop_back();
  // The first tenth is the mean of few minibatches, and says nothing of the rate. Slopes are taken over a few steps, so
  // that they are of no single minibatch.
  const size_t first = std::max<size_t>(1, points.size() / 10), reach = std::max<size_t>(1, points.size() / 25);
  if (smooth.size() < first + 2 * reach + 1) return std::nullopt;
  const size_t lowest =
      std::min_element(smooth.begin() + static_cast<std::ptrdiff_t>(first), smooth.end()) - smooth.begin();
  if (smooth[first] - smooth[lowest] < kLeastFall * std::abs(smooth[first])) return std::nullopt;
  // The rate rises by the same factor in each step, so that differences over steps are those over its logarithm.
  size_t steepest = first;
  double slope = 0;
  for (size_t i = first + reach; i <= lowest && i + reach < smooth.size(); ++i) {
    const double now = smooth[i + reach] - smooth[i - reach];
    if (now >= slope) continue;
    slope = now;
    steepest = i;
  }
  return RateFound{.steepest = Rounded(points[steepest].rate),
                   .lowest = Rounded(points[lowest].rate),
                   .lowest_loss = smooth[lowest]};
}

std::string RenderRange(const std::vector<RatePoint>& points, const std::optional<RateFound>& found, int width) {
  if (points.empty()) return "";
  const std::vector<double> smooth = SmoothLosses(points);
  PlottedCurve curve = {.name = "smoothed loss", .points = {}};
  // What lies far above the beginning would leave the fall no room.
  const double top = 2 * std::abs(smooth.front());
  for (size_t i = 0; i < points.size(); ++i) {
    curve.points.emplace_back(points[i].step, std::isfinite(smooth[i]) ? std::min(smooth[i], top) : smooth[i]);
  }
  std::string text = RenderCurves({curve}, width, 12);
  absl::StrAppend(&text, "learning_rate from ", FormatNumber(points.front().rate), " at step ", points.front().step,
                  " to ", FormatNumber(points.back().rate), " at step ", points.back().step);
  if (points.size() > 1 && points.back().rate > points.front().rate) {
    const double decades = std::log10(points.back().rate / points.front().rate);
    absl::StrAppend(&text, ", ten times as large every ",
                    FormatNumber(static_cast<double>(points.back().step - points.front().step) / decades), " steps");
  }
  absl::StrAppend(&text, "\n");
  if (!found.has_value()) return text;
  return absl::StrCat(text, "falls most steeply at ", FormatNumber(found->steepest), ", is lowest (",
                      FormatNumber(found->lowest_loss), ") at ", FormatNumber(found->lowest), "\n");
}

}  // namespace traind::client
