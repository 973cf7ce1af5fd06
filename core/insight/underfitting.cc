// A loss that is still high when the job ends, in training as in the evaluation.
#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "core/base/require.h"
#include "core/insight/rule.h"

namespace traind::core {
namespace {

constexpr double kLastPart = 0.9;        // Of the job, before which the rule is silent.
constexpr double kNotFalling = 0.95;     // Of the loss to beat: above it loss_not_falling speaks.
constexpr double kLastThird = 0.67;      // Of the job.
constexpr double kStillFalls = 0.02;     // Of the loss to beat, since then.
constexpr int kRecentFew = 3;            // Stretches.
constexpr int64_t kEnoughStretches = 6;  // Stretches.

// How much the training loss has fallen in the last third of the job.
double FallOfLastThird(const View& view, double now) {
  const auto& whole = view.history.whole();
  const auto third = std::find_if(whole.begin(), whole.end(), [&](const Stretch& stretch) {
    return static_cast<double>(stretch.step) >= kLastThird * static_cast<double>(view.facts.total_steps);
  });
  return third == whole.end() ? 0 : third->loss - now;
}

// How far the accuracy of the evaluation has come from the share of the commonest class, which needs no network, to 1.
double SkillOf(const View& view) {
  if (view.data == nullptr || !view.evaluation->has_accuracy() || view.data->class_counts().empty()) return 0;
  double examples = 0, largest = 0;
  for (const int64_t count : view.data->class_counts()) {
    examples += static_cast<double>(count);
    largest = std::max(largest, static_cast<double>(count));
  }
  return examples > largest ? 1 - (1 - view.evaluation->accuracy()) / (1 - largest / examples) : 0;
}

void LookForUnderfitting(const v1::UnderfittingRule& config, const View& view, std::vector<Sighting>& found) {
  const History& history = view.history;
  if (history.stretches() < kEnoughStretches || view.facts.total_steps == 0 || view.facts.spec->has_lottery_ticket())
    return;
  if (static_cast<double>(view.step) < kLastPart * static_cast<double>(view.facts.total_steps)) return;
  const double to_beat = LossToBeat(view), train = history.RecentLoss(kRecentFew), evaluated = view.evaluation->loss();
  if (to_beat <= 0 || train <= 0) return;
  // Of augmented or blended examples the training loss alone may stay high, and the network be good.
  const double share = std::min(train, evaluated) / to_beat;
  if (!(share > config.least_loss()) || evaluated > config.most_gap() * train) return;
  if (history.best_loss() > kNotFalling * to_beat && !view.facts.continues) return;
  if (SkillOf(view) >= config.most_skill()) return;
  const bool falls = FallOfLastThird(view, train) > kStillFalls * to_beat;
  Add(found, absl::StrCat("at the end the loss is still high, ", train, " in training and ", evaluated,
                          " in the evaluation, of ", to_beat, falls ? ", and still falls" : ", and has stood still"))
      .Is(falls ? v1::Finding::SEVERITY_INFO : v1::Finding::SEVERITY_WARNING)
      .Measured("loss / loss of an answer that has learned nothing", share, v1::Evidence::RELATION_ABOVE,
                config.least_loss())
      .Words(falls ? "train longer, or with a higher learning rate"
                   : "use a larger network, a higher learning rate, or less regularization");
}

const Registered<Rule, v1::UnderfittingRule> kUnderfitting(
    "The loss is still high when the job ends, in training as in the evaluation.",
    [](v1::UnderfittingRule& config, const FieldErrors& errors) {
      if (!config.has_least_loss()) config.set_least_loss(0.5);
      Require(config.least_loss() > 0, errors, "least_loss", "above 0", config.least_loss());
      if (!config.has_most_gap()) config.set_most_gap(1.2);
      Require(config.most_gap() > 0, errors, "most_gap", "above 0", config.most_gap());
      if (!config.has_most_skill()) config.set_most_skill(0.9);
      Require(config.most_skill() > 0, errors, "most_skill", "above 0", config.most_skill());
      return std::make_unique<SimpleRule<v1::UnderfittingRule>>(RuleTraits{.family = Family::kLoss, .at_once = true},
                                                                Source::kEvaluation, config, LookForUnderfitting);
    });

}  // namespace
}  // namespace traind::core
