// A loss that stands still though the rate is not down yet.
#include <cmath>
#include <memory>

#include "absl/strings/str_cat.h"
#include "core/base/require.h"
#include "core/insight/fixes.h"
#include "core/insight/rule.h"

namespace traind::core {
namespace {

constexpr double kDone = 0.1;  // Of the loss to beat: what has come so far may stand still.
constexpr double kFallen = 0.95;

void LookForPlateau(const v1::LossPlateauRule& config, const View& view, std::vector<Sighting>& found) {
  const auto& whole = view.history.whole();
  if (view.facts.total_steps == 0 || whole.size() < 8 || view.facts.spec->has_lottery_ticket()) return;
  const double to_beat = LossToBeat(view);
  double best = whole.front().loss;
  uint64_t since = whole.front().step;
  for (const Stretch& stretch : whole) {
    if (stretch.loss > best - config.least_gain() * std::abs(to_beat)) continue;
    best = stretch.loss;
    since = stretch.step;
  }
  const double share = static_cast<double>(view.step - since) / static_cast<double>(view.facts.total_steps);
  const bool lowered = view.history.recent().back().learning_rate < 0.1 * view.history.peak_learning_rate();
  if (share <= config.most_share() || lowered || best < kDone * to_beat) return;
  if (best > kFallen * to_beat && !view.facts.continues) return;  // loss_not_falling says it.
  Sighting& sighting = Add(found, absl::StrCat("the loss has stood still since step ", since, ", at ", best));
  sighting.Is(v1::Finding::SEVERITY_INFO)
      .Measured("share of the job without a better loss", share, v1::Evidence::RELATION_ABOVE, config.most_share())
      .Words("lower the learning rate by a schedule (cosine), or use a larger network");
  PatchCosine(view.facts, sighting);
}

const Registered<Rule, v1::LossPlateauRule> kLossPlateau("The loss stands still though the rate is not down yet.",
                                                         [](v1::LossPlateauRule& config, const FieldErrors& errors) {
                                                           if (!config.has_most_share()) config.set_most_share(0.3);
                                                           Require(config.most_share() >= 0 && config.most_share() <= 1,
                                                                   errors, "most_share", "in [0, 1]",
                                                                   config.most_share());
                                                           if (!config.has_least_gain()) config.set_least_gain(0.01);
                                                           Require(config.least_gain() > 0, errors, "least_gain",
                                                                   "above 0", config.least_gain());
                                                           return std::make_unique<SimpleRule<v1::LossPlateauRule>>(
                                                               RuleTraits{.family = Family::kLoss}, Source::kTrain,
                                                               config, LookForPlateau);
                                                         });

}  // namespace
}  // namespace traind::core
