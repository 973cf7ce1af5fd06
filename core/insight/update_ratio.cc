// How far a step moves the weights, against their size.
#include <algorithm>
#include <cmath>
#include <memory>

#include "absl/strings/str_cat.h"
#include "core/base/require.h"
#include "core/insight/fixes.h"
#include "core/insight/layers.h"

namespace traind::core {
namespace {

constexpr double kMostFactor = 100;  // For a rate.
constexpr int64_t kSettled = 2;      // Stretches: moments of optimizers and a warm-up have begun.

void LookAtUpdates(const v1::UpdateRatioRule& config, const View& view, std::vector<Sighting>& found) {
  if (view.history.stretches() < kSettled) return;
  const double ratio = MedianUpdateRatio(view);
  // A schedule lowers the rate on purpose, and a warm-up raises it.
  const bool lowered = view.history.recent().back().learning_rate < 0.1 * view.history.peak_learning_rate();
  const bool high = ratio > config.most(), low = ratio < config.least() && !lowered;
  if (ratio == 0 || !(high || low)) return;
  const double factor = std::clamp(kUsualUpdateRatio / ratio, 1 / kMostFactor, kMostFactor);
  Sighting& sighting = Add(found, absl::StrCat("a step moves the weights by ", ratio, " of their size: the learning ",
                                               "rate is ", high ? "high" : "low"));
  sighting
      .Measured("update / weight, median of the layers", ratio,
                high ? v1::Evidence::RELATION_ABOVE : v1::Evidence::RELATION_BELOW,
                high ? config.most() : config.least())
      .Words(absl::StrCat("multiply the learning rate by ", factor));
  PatchRate(view.facts, factor, sighting);
}

const Registered<Rule, v1::UpdateRatioRule> kUpdateRatio(
    "How far a step moves the weights, against their size: about 1/1000 works.",
    [](v1::UpdateRatioRule& config, const FieldErrors& errors) {
      if (!config.has_least()) config.set_least(1e-4);
      Require(config.least() > 0, errors, "least", "above 0", config.least());
      if (!config.has_most()) config.set_most(1e-2);
      Require(config.most() > 0, errors, "most", "above 0", config.most());
      return std::make_unique<SimpleRule<v1::UpdateRatioRule>>(
          RuleTraits{.family = Family::kRate, .unless_improving = true}, Source::kStatistics, config, LookAtUpdates);
    });

}  // namespace
}  // namespace traind::core
