// An evaluation loss that goes up while the training loss goes down (slide 68).
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/require.h"
#include "core/insight/fixes.h"
#include "core/insight/rule.h"

namespace traind::core {
namespace {

constexpr double kLittleLost = 0.1;  // Of what was won: so much is noise, or no great matter.
constexpr int64_t kStretchesBeforeGap = 6;
constexpr double kGap = 10;         // Evaluation loss over training loss, ...
constexpr double kStaysHigh = 0.3;  // ... where the former is so much of the loss to beat: little of what was learned
                                    // holds for other examples.

// The loss of the training examples that an evaluation's is held against: in test mode, where that is known. Nullopt:
// it is that of changed examples.
std::optional<double> TrainingLoss(const View& view) {
  if (view.evaluation->has_minibatch_test_mode_loss()) return view.evaluation->minibatch_test_mode_loss();
  if (!view.facts.spec->data().augmentation().empty()) return std::nullopt;
  return view.history.evaluations().back().train_loss;
}

// The training loss goes to nothing, and the evaluation loss stays up without a rise.
void LookForGap(const View& view, std::vector<Sighting>& found) {
  const Evaluated& now = view.history.evaluations().back();
  const bool warm = view.history.stretches() >= kStretchesBeforeGap && now.train_loss > 0;
  if (!warm || now.loss < kStaysHigh * LossToBeat(view) || now.loss < kGap * now.train_loss) return;
  Sighting& sighting = Add(
      found, absl::StrCat("the evaluation loss stays at ", now.loss, ", and the training loss is ", now.train_loss));
  sighting.finding.set_split(view.evaluation->split());
  sighting.Measured("evaluation loss / training loss", now.loss / now.train_loss, v1::Evidence::RELATION_ABOVE, kGap)
      .Words("train on more data, or add augmentation, dropout or weight decay");
}

void LookForRise(const v1::OverfittingRule& config, const View& view, std::vector<Sighting>& found) {
  const Evaluated& now = view.history.evaluations().back();
  const double best = view.history.best_evaluation();
  const double ratio = now.loss / best;
  // What the training has not clearly gone down by says nothing of a gap.
  const bool falls = now.train_loss * config.most_over_best() <= view.history.train_loss_at_best();
  if (ratio <= config.most_over_best() || !falls) return;
  // An evaluation that is better than the training has nothing learned by heart.
  if (now.loss < TrainingLoss(view).value_or(0)) return;
  const bool known = view.history.stretches() > 0;
  const bool little = known && now.loss - best < kLittleLost * (LossToBeat(view) - best);
  Sighting& sighting = Add(found, absl::StrCat("the evaluation loss goes up (", now.loss, " now, ", best, " at best), ",
                                               "and the training loss still down (", now.train_loss, ")"));
  sighting.finding.set_split(view.evaluation->split());
  sighting.Weighs(little ? Weight::kMild : Weight::kUsual)
      .Measured("evaluation loss / the best one", ratio, v1::Evidence::RELATION_ABOVE, config.most_over_best())
      .Words("stop early, or add dropout, weight decay or augmentation, or more data");
  PatchEarlyStopping(view.facts, sighting);
}

void LookForOverfitting(const v1::OverfittingRule& config, const View& view, std::vector<Sighting>& found) {
  const v1::DataSpec& data = view.facts.spec->data();
  if (view.history.best_evaluation() <= 0 || data.train_split() == data.evaluation_split()) return;
  LookForRise(config, view, found);
  const bool warns = !found.empty() && found.back().weight != Weight::kMild;
  if (warns || view.facts.spec->insight().warn_while_improving()) return;  // Other tools look at rises alone.
  std::vector<Sighting> gap;
  LookForGap(view, gap);
  if (!gap.empty()) found = std::move(gap);
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
