// A schedule that has all but ended the training with much of the job left.
#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "core/base/kind.h"
#include "core/base/require.h"
#include "core/insight/fixes.h"
#include "core/insight/rule.h"
#include "core/optimizers/resolve.h"

namespace traind::core {
namespace {

constexpr uint64_t kPlaces = 4096;  // Evenly spread over the steps, where the rate is asked for.

// From which step on the rate stays below `least` of its peak; `steps`: it does not. Of a schedule that follows the
// evaluations nobody knows.
uint64_t EndOfMoving(const LearningRate& rate, uint64_t steps, double least) {
  const uint64_t places = std::min(steps, kPlaces);
  const auto step_at = [&](uint64_t place) { return place * steps / places; };
  double peak = 0;
  for (uint64_t i = 0; i < places; ++i) peak = std::max(peak, rate.At(step_at(i), steps));
  uint64_t end = places;
  while (end > 0 && rate.At(step_at(end - 1), steps) < least * peak) --end;
  return end == places ? steps : step_at(end);
}

void PatchToCosine(const Facts& facts, Sighting& sighting) {
  if (facts.given == nullptr) return;
  v1::Schedule& schedule = *Patch("optimizer.schedule", sighting).mutable_optimizer()->mutable_schedule();
  schedule = facts.given->optimizer().schedule();
  schedule.mutable_cosine();
}

void LookForEarlyEnd(const v1::EarlyDecayRule& config, const View& view, std::vector<Sighting>& found) {
  const Facts& facts = view.facts;
  if (facts.spec == nullptr || facts.total_steps == 0 || !facts.spec->optimizer().has_schedule()) return;
  // A lottery ticket's schedule begins anew in each round.
  const uint64_t steps = facts.total_steps / (uint64_t{facts.spec->lottery_ticket().rounds()} + 1);
  v1::Optimizer optimizer = facts.spec->optimizer();
  FieldErrors::Root reported;
  const ResolvedOptimizer resolved = ResolveOptimizer(optimizer, reported.scope());
  if (resolved.learning_rate == nullptr || !reported.ok() || steps == 0) return;
  const uint64_t end = EndOfMoving(*resolved.learning_rate, steps, config.least_rate());
  const double left = static_cast<double>(steps - end) / static_cast<double>(steps);
  if (!(left > config.most_left())) return;
  Sighting& sighting =
      Add(found, absl::StrCat("the schedule ", KindName(facts.spec->optimizer().schedule()),
                              " brings the learning rate below ", 100 * config.least_rate(), " % of its peak at step ",
                              end, " of ", steps, ": the steps behind it move next to nothing"));
  sighting.Measured("share of the job that is left", left, v1::Evidence::RELATION_ABOVE, config.most_left())
      .Words("let it fall over the whole job: schedule { cosine {} }");
  PatchToCosine(facts, sighting);
}

const Registered<Rule, v1::EarlyDecayRule> kEarlyDecay(
    "A schedule that ends the training with much of the job left.",
    [](v1::EarlyDecayRule& config, const FieldErrors& errors) {
      if (!config.has_least_rate()) config.set_least_rate(0.01);
      Require(config.least_rate() > 0 && config.least_rate() < 1, errors, "least_rate", "in (0, 1)",
              config.least_rate());
      if (!config.has_most_left()) config.set_most_left(0.5);
      Require(config.most_left() > 0 && config.most_left() < 1, errors, "most_left", "in (0, 1)", config.most_left());
      return std::make_unique<SimpleRule<v1::EarlyDecayRule>>(
          RuleTraits{.family = Family::kRate, .unless_improving = true, .at_once = true}, Source::kSpec, config,
          LookForEarlyEnd);
    });

}  // namespace
}  // namespace traind::core
