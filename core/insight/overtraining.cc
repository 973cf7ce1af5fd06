// An evaluation loss that has not become better for a large part of the job.
#include <memory>

#include "absl/strings/str_cat.h"
#include "core/base/require.h"
#include "core/insight/fixes.h"
#include "core/insight/rule.h"

namespace traind::core {
namespace {

void LookForOvertraining(const v1::OvertrainingRule& config, const View& view, std::vector<Sighting>& found) {
  const History& history = view.history;
  // Early stopping has a patience of its own, and a lottery ticket begins again on purpose.
  const v1::JobSpec& spec = *view.facts.spec;
  if (view.facts.total_steps == 0 || spec.has_early_stopping() || spec.has_lottery_ticket()) return;
  const uint64_t best = history.best_evaluation_step();
  const double share = static_cast<double>(view.step - best) / static_cast<double>(view.facts.total_steps);
  if (share <= config.most_share()) return;
  Sighting& sighting = Add(found, absl::StrCat("the evaluation loss has not become better since step ", best, ": ",
                                               history.best_evaluation(), " then, ", view.evaluation->loss(), " now"));
  sighting.finding.set_split(view.evaluation->split());
  sighting.Is(v1::Finding::SEVERITY_INFO)
      .Measured("share of the job without a better evaluation", share, v1::Evidence::RELATION_ABOVE,
                config.most_share())
      .Words("stop early and keep the best weights (early_stopping), or train for fewer steps");
  PatchEarlyStopping(view.facts, sighting);
}

const Registered<Rule, v1::OvertrainingRule> kOvertraining(
    "The evaluation loss has not become better for a large part of the job.",
    [](v1::OvertrainingRule& config, const FieldErrors& errors) {
      if (!config.has_most_share()) config.set_most_share(0.4);
      Require(config.most_share() > 0 && config.most_share() < 1, errors, "most_share", "in (0, 1)",
              config.most_share());
      return std::make_unique<SimpleRule<v1::OvertrainingRule>>(RuleTraits{.family = Family::kAlone},
                                                                Source::kEvaluation, config, LookForOvertraining);
    });

}  // namespace
}  // namespace traind::core
