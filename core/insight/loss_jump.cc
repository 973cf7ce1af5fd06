// A loss that jumps from one stretch to the next, and stays up.
#include <memory>

#include "absl/strings/str_cat.h"
#include "core/base/require.h"
#include "core/insight/fixes.h"
#include "core/insight/rule.h"

namespace traind::core {
namespace {

constexpr size_t kStretchesBefore = 5;  // Stretches.
constexpr double kJumpIsNoise = 0.1;    // Of the loss to beat: below it a jump is noise.
constexpr double kRateRaised = 1.5;     // Times the rate before: a schedule that starts again means it.
constexpr double kJumpClipping = 1;

// Mean loss of the stretches before the i-th of the newest ones.
double LossBefore(const std::deque<Stretch>& recent, size_t i) {
  double sum = 0;
  for (size_t k = i - kStretchesBefore; k < i; ++k) sum += recent[k].loss;
  return sum / kStretchesBefore;
}

void LookForJump(const v1::LossJumpRule& config, const View& view, std::vector<Sighting>& found) {
  const auto& recent = view.history.recent();
  if (recent.size() <= kStretchesBefore || view.facts.spec->has_lottery_ticket()) return;  // Rewinding is no fault.
  const double now = recent.back().loss;
  if (now < kJumpIsNoise * LossToBeat(view)) return;
  for (size_t i = kStretchesBefore; i < recent.size(); ++i) {
    const double before = LossBefore(recent, i);
    if (before <= 0 || recent[i].learning_rate > kRateRaised * recent[i - 1].learning_rate) continue;
    const double ratio = recent[i].loss / before;
    if (ratio <= config.most_ratio() || now <= config.most_ratio() * before) continue;
    Sighting& sighting = Add(found, absl::StrCat("before step ", recent[i].step, " the loss jumped from ", before,
                                                 " to ", recent[i].loss, ", and is ", now, " now"));
    sighting
        .Measured("loss / mean of the five stretches before", ratio, v1::Evidence::RELATION_ABOVE, config.most_ratio())
        .Words(absl::StrCat(TakesClipping(view.facts) ? "clip the gradients, " : "",
                            "lower the learning rate, or look for broken examples in the minibatches there"));
    PatchClipping(view.facts, kJumpClipping, sighting);
    return;
  }
}

const Registered<Rule, v1::LossJumpRule> kLossJump("The loss jumps from one stretch to the next, and stays up.",
                                                   [](v1::LossJumpRule& config, const FieldErrors& errors) {
                                                     if (!config.has_most_ratio()) config.set_most_ratio(3);
                                                     Require(config.most_ratio() > 1, errors, "most_ratio", "above 1",
                                                             config.most_ratio());
                                                     return std::make_unique<SimpleRule<v1::LossJumpRule>>(
                                                         RuleTraits{.family = Family::kLoss, .unless_improving = true},
                                                         Source::kTrain, config, LookForJump);
                                                   });

}  // namespace
}  // namespace traind::core
