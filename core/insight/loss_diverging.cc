// A loss that has lost what it had won.
#include <memory>

#include "absl/strings/str_cat.h"
#include "core/base/require.h"
#include "core/insight/fixes.h"
#include "core/insight/rule.h"

namespace traind::core {
namespace {

constexpr double kSlowerRate = 0.1;
constexpr int64_t kBegun = 3;  // Stretches.

void LookForDivergence(const v1::LossDivergingRule& config, const View& view, std::vector<Sighting>& found) {
  if (view.history.stretches() < kBegun || view.facts.spec->has_lottery_ticket()) return;  // Rewinding is no fault.
  const double recent = view.history.RecentLoss(1), best = view.history.best_loss();
  const double first = view.history.first_loss().value_or(view.history.whole().front().loss);
  const bool above = first > 0 && recent > config.most_over_first() * first;
  // Near zero, noise alone is a large part.
  const bool lost = recent - best > config.most_lost() * (first - best) && recent > 1.5 * best && first > best;
  if (!above && !lost) return;
  Sighting& sighting =
      Add(found, absl::StrCat("the loss goes up: ", recent, " now, ", best, " at best, ", first, " at the beginning"));
  sighting.Is(above ? v1::Finding::SEVERITY_CRITICAL : v1::Finding::SEVERITY_WARNING)
      .Measured(above ? "loss / first loss" : "lost / won", above ? recent / first : (recent - best) / (first - best),
                v1::Evidence::RELATION_ABOVE, above ? config.most_over_first() : config.most_lost())
      .Words(TakesClipping(view.facts) ? "lower the learning rate, warm it up, or clip the gradients"
                                       : "lower the learning rate, or warm it up");
  PatchRate(view.facts, kSlowerRate, sighting);
}

const Registered<Rule, v1::LossDivergingRule> kLossDiverging(
    "The loss has lost what it had won.", [](v1::LossDivergingRule& config, const FieldErrors& errors) {
      if (!config.has_most_over_first()) config.set_most_over_first(1.5);
      Require(config.most_over_first() > 1, errors, "most_over_first", "above 1", config.most_over_first());
      if (!config.has_most_lost()) config.set_most_lost(0.5);
      Require(config.most_lost() > 0, errors, "most_lost", "above 0", config.most_lost());
      return std::make_unique<SimpleRule<v1::LossDivergingRule>>(RuleTraits{.family = Family::kLoss}, Source::kTrain,
                                                                 config, LookForDivergence);
    });

}  // namespace
}  // namespace traind::core
