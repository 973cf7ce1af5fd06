// Steps so large that what the gradient promises is not what comes.
#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "core/base/require.h"
#include "core/insight/fixes.h"
#include "core/insight/layers.h"
#include "core/insight/promise.h"

namespace traind::core {
namespace {

constexpr double kFalls = 0.98;    // Of the loss a few stretches before: what is below it falls.
constexpr double kMuchLeft = 0.5;  // Of the loss to beat.
constexpr double kPromised = 0.1;  // Of the loss, what a step is to promise.
constexpr double kLeastLowering = 0.5, kMostLowering = 0.01;

void LookForOvershooting(const v1::RateTooHighRule& config, const View& view, std::vector<Sighting>& found) {
  const Promise promise = PromiseOf(view);
  if (!(promise.loss > 0) || IsUnusualRatio(promise.ratio)) return;  // Of the latter update_ratio speaks.
  // Late in a job that has learned what it can, what is left is noise.
  if (promise.loss < kMuchLeft * LossToBeat(view)) return;
  const double share = promise.of_step / promise.loss;
  if (!(share > config.most_promise()) || promise.loss < kFalls * promise.before) return;
  const double factor =
      std::clamp(std::min(kUsualUpdateRatio / promise.ratio, kPromised / share), kMostLowering, kLeastLowering);
  Sighting& sighting =
      Add(found, absl::StrCat("a step promises ", promise.of_step, ", of a loss of ", promise.loss,
                              ", which does not fall: steps go too far, or the gradients are mostly noise"));
  sighting.Measured("sum of |gradient| |update| / loss", share, v1::Evidence::RELATION_ABOVE, config.most_promise())
      .Words(absl::StrCat("multiply the learning rate by ", factor, ", or take larger minibatches"));
  PatchRate(view.facts, factor, sighting);
}

const Registered<Rule, v1::RateTooHighRule> kRateTooHigh(
    "Steps so large that what the gradient promises does not come.",
    [](v1::RateTooHighRule& config, const FieldErrors& errors) {
      if (!config.has_most_promise()) config.set_most_promise(1);
      Require(config.most_promise() > 0, errors, "most_promise", "above 0", config.most_promise());
      return std::make_unique<SimpleRule<v1::RateTooHighRule>>(
          RuleTraits{.family = Family::kRate, .unless_improving = true}, Source::kStatistics, config,
          LookForOvershooting);
    });

}  // namespace
}  // namespace traind::core
