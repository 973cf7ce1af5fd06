// A loss that is where it was at the beginning.
#include <memory>

#include "absl/strings/str_cat.h"
#include "core/base/require.h"
#include "core/insight/rule.h"

namespace traind::core {
namespace {

void LookForNoFall(const v1::LossNotFallingRule& config, const View& view, std::vector<Sighting>& found) {
  if (view.facts.continues || !PastBeginning(view, config.after_share())) return;
  const double to_beat = LossToBeat(view), best = view.history.best_loss();
  const double fall = to_beat == 0 ? 0 : (to_beat - best) / std::abs(to_beat);
  if (fall >= config.least_fall()) return;
  Add(found,
      absl::StrCat("the loss does not fall: at best ", best, ", and an answer that has learned nothing has ", to_beat))
      .Measured("fall of the loss", fall, v1::Evidence::RELATION_BELOW, config.least_fall())
      .Words(
          "look at the findings that this one hangs on; else change the learning rate by a factor of 10, and check "
          "that labels belong to their examples");
}

const Registered<Rule, v1::LossNotFallingRule> kLossNotFalling(
    "The loss is where it was at the beginning.", [](v1::LossNotFallingRule& config, const FieldErrors& errors) {
      if (!config.has_least_fall()) config.set_least_fall(0.05);
      if (!config.has_after_share()) config.set_after_share(0.25);
      Require(config.least_fall() > 0 && config.least_fall() < 1, errors, "least_fall", "in (0, 1)",
              config.least_fall());
      Require(config.after_share() > 0 && config.after_share() <= 1, errors, "after_share", "in (0, 1]",
              config.after_share());
      return std::make_unique<SimpleRule<v1::LossNotFallingRule>>(RuleTraits{.family = Family::kLoss}, Source::kTrain,
                                                                  config, LookForNoFall);
    });

}  // namespace
}  // namespace traind::core
