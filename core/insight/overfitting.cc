// An evaluation loss that goes up while the training loss goes down (slide 68).
#include <memory>

#include "absl/strings/str_cat.h"
#include "core/base/require.h"
#include "core/insight/fixes.h"
#include "core/insight/rule.h"

namespace traind::core {
namespace {

constexpr double kLittleLost = 0.1;  // Of what was won: so much is noise, or no great matter.

void LookForOverfitting(const v1::OverfittingRule& config, const View& view, std::vector<Sighting>& found) {
  const Evaluated& now = view.history.evaluations().back();
  const double best = view.history.best_evaluation();
  const v1::DataSpec& data = view.facts.spec->data();
  if (best <= 0 || data.train_split() == data.evaluation_split()) return;
  const double ratio = now.loss / best;
  // What the training has not clearly gone down by says nothing of a gap.
  if (ratio <= config.most_over_best() || now.train_loss * config.most_over_best() > view.history.train_loss_at_best())
    return;
  const bool known = view.history.stretches() > 0;
  const bool little = known && now.loss - best < kLittleLost * (LossToBeat(view) - best);
  const bool informs = little && !view.facts.spec->insight().warn_while_improving();
  Sighting& sighting = Add(found, absl::StrCat("the evaluation loss goes up (", now.loss, " now, ", best, " at best), ",
                                               "and the training loss still down (", now.train_loss, ")"));
  sighting.finding.set_split(view.evaluation->split());
  if (informs) sighting.Is(v1::Finding::SEVERITY_INFO);
  sighting.Measured("evaluation loss / the best one", ratio, v1::Evidence::RELATION_ABOVE, config.most_over_best())
      .Words("stop early, or add dropout, weight decay or augmentation, or more data");
  PatchEarlyStopping(view.facts, sighting);
}

const Registered<Rule, v1::OverfittingRule> kOverfitting(
    "The evaluation loss goes up while the training loss goes down (slide 68).",
    [](v1::OverfittingRule& config, const FieldErrors& errors) {
      if (!config.has_most_over_best()) config.set_most_over_best(1.1);
      Require(config.most_over_best() > 1, errors, "most_over_best", "above 1", config.most_over_best());
      return std::make_unique<SimpleRule<v1::OverfittingRule>>(RuleTraits{.family = Family::kAlone, .slide = 68},
                                                               Source::kEvaluation, config, LookForOverfitting);
    });

}  // namespace
}  // namespace traind::core
