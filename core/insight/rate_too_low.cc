// Steps so small that the job ends before they have led anywhere.
#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "core/base/require.h"
#include "core/insight/fixes.h"
#include "core/insight/layers.h"
#include "core/insight/promise.h"

namespace traind::core {
namespace {

constexpr double kLooksUntil = 0.5;  // Of the job.
constexpr double kLowered = 0.1;     // Of the peak: a rate below it was lowered on purpose.
constexpr double kLeastRaising = 2, kMostRaising = 100;

void LookForCreeping(const v1::RateTooLowRule& config, const View& view, std::vector<Sighting>& found) {
  const Facts& facts = view.facts;
  if (facts.spec == nullptr || facts.total_steps <= view.step || facts.continues) return;
  if (view.step <= facts.spec->optimizer().schedule().warmup_steps()) return;
  if (static_cast<double>(view.step) > kLooksUntil * static_cast<double>(facts.total_steps)) return;
  const Promise promise = PromiseOf(view);
  if (!(promise.loss > 0) || !promise.complete || promise.ratio == 0 || IsUnusualRatio(promise.ratio)) return;
  if (view.history.recent().back().learning_rate < kLowered * view.history.peak_learning_rate()) return;
  const uint64_t left = facts.total_steps - view.step;
  const double share = promise.of_step * static_cast<double>(left) / promise.loss;
  if (!(share < config.least_promise())) return;
  const double factor = std::clamp(kUsualUpdateRatio / promise.ratio, kLeastRaising, kMostRaising);
  Sighting& sighting = Add(found, absl::StrCat("the ", left, " steps that are left promise ", 100 * share,
                                               " % of the loss of ", promise.loss, " at most"));
  sighting
      .Measured("sum of |gradient| |update| times steps / loss", share, v1::Evidence::RELATION_BELOW,
                config.least_promise())
      .Words(absl::StrCat("multiply the learning rate by ", factor, ", or train longer"));
  PatchRate(facts, factor, sighting);
}

const Registered<Rule, v1::RateTooLowRule> kRateTooLow(
    "Steps so small that the job ends before they have led anywhere.",
    [](v1::RateTooLowRule& config, const FieldErrors& errors) {
      if (!config.has_least_promise()) config.set_least_promise(0.1);
      Require(config.least_promise() > 0, errors, "least_promise", "above 0", config.least_promise());
      return std::make_unique<SimpleRule<v1::RateTooLowRule>>(
          RuleTraits{.family = Family::kRate, .unless_improving = true}, Source::kStatistics, config, LookForCreeping);
    });

}  // namespace
}  // namespace traind::core
