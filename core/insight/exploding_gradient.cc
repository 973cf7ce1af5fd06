// Gradients that grow on their way back, or from step to step.
#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "core/base/require.h"
#include "core/insight/fixes.h"
#include "core/insight/layers.h"

namespace traind::core {
namespace {

constexpr int64_t kKnown = 8;  // Stretches, for a median.
constexpr double kSafeNorm = 1;

void Suggest(const View& view, Sighting& sighting) {
  sighting.Words(absl::StrCat(TakesClipping(view.facts) ? "clip the gradients (optimizer.clip_norm), " : "",
                              "lower the learning rate, or use kaiming or batch_norm"));
  PatchClipping(view.facts, kSafeNorm, sighting);
  if (!sighting.finding.fix().has_mask())
    PatchBatchNorms(view.facts, sighting);  // They are clipped already, or may not be.
}

void LookAtGrowth(const v1::ExplodingGradientRule& config, const View& view, std::vector<Sighting>& found) {
  if (view.history.stretches() < kKnown) return;
  const double median = view.history.MedianGradientNorm();
  const double growth = median > 0 ? view.history.recent().back().gradient_norm / median : 0;
  if (growth <= config.most_growth()) return;
  Sighting& sighting = Add(found, absl::StrCat("the gradients are ", growth, " times as large as they usually were"));
  sighting.Measured("gradient norm / its median", growth, v1::Evidence::RELATION_ABOVE, config.most_growth());
  Suggest(view, sighting);
}

// The layer with the largest gradient as such; true when it was said.
bool LookAtSize(const v1::ExplodingGradientRule& config, const View& view, const std::vector<WeightsOf>& weights,
                std::vector<Sighting>& found) {
  if (!config.has_most_rms() || weights.empty()) return false;
  const auto smaller = [](const WeightsOf& a, const WeightsOf& b) {
    return GradientRms(*a.statistics) < GradientRms(*b.statistics);
  };
  const WeightsOf& largest = *std::max_element(weights.begin(), weights.end(), smaller);
  const double rms = GradientRms(*largest.statistics);
  if (rms <= config.most_rms()) return false;
  Sighting& sighting = Add(found, absl::StrCat("its gradient is large: ", rms));
  sighting.At(*largest.node)
      .Measured("root mean square of the gradient", rms, v1::Evidence::RELATION_ABOVE, config.most_rms());
  Suggest(view, sighting);
  return true;
}

void LookForExplosion(const v1::ExplodingGradientRule& config, const View& view, std::vector<Sighting>& found) {
  LookAtGrowth(config, view, found);
  const std::vector<WeightsOf> weights = WeightsIn(view);
  if (LookAtSize(config, view, weights, found)) return;
  const double last = weights.empty() ? 0 : GradientRms(*weights.back().statistics);
  const WeightsOf* worst = nullptr;
  double ratio = config.most_ratio();
  for (const WeightsOf& one : weights) {
    const double own = last > 0 ? GradientRms(*one.statistics) / last : 0;
    if (own <= ratio) continue;
    ratio = own;
    worst = &one;
  }
  if (worst == nullptr) return;
  Sighting& sighting = Add(found, absl::StrCat("its gradient is ", ratio, " times as large as that of the last layer"));
  sighting.At(*worst->node)
      .Measured("gradient / that of the last layer", ratio, v1::Evidence::RELATION_ABOVE, config.most_ratio());
  Suggest(view, sighting);
}

const Registered<Rule, v1::ExplodingGradientRule> kExplodingGradient(
    "Gradients that grow on their way back, or from step to step.",
    [](v1::ExplodingGradientRule& config, const FieldErrors& errors) {
      if (!config.has_most_ratio()) config.set_most_ratio(1000);
      Require(config.most_ratio() > 1, errors, "most_ratio", "above 1", config.most_ratio());
      if (!config.has_most_growth()) config.set_most_growth(100);
      Require(config.most_growth() > 1, errors, "most_growth", "above 1", config.most_growth());
      Require(!config.has_most_rms() || config.most_rms() > 0, errors, "most_rms", "above 0", config.most_rms());
      return std::make_unique<SimpleRule<v1::ExplodingGradientRule>>(
          RuleTraits{.family = Family::kGradient, .unless_improving = true}, Source::kStatistics, config,
          LookForExplosion);
    });

}  // namespace
}  // namespace traind::core
