// A loss that goes up and down by much of its size.
#include <cmath>
#include <memory>

#include "absl/strings/str_cat.h"
#include "core/base/require.h"
#include "core/insight/fixes.h"
#include "core/insight/rule.h"

namespace traind::core {
namespace {

constexpr size_t kLooked = 10;      // Stretches.
constexpr double kTurns = 0.6;      // Of the changes go the other way than the one before.
constexpr double kConverged = 0.1;  // Of the loss to beat: below it noise is most of what there is.

void LookForOscillation(const v1::LossOscillatingRule& config, const View& view, std::vector<Sighting>& found) {
  const auto& recent = view.history.recent();
  if (recent.size() < kLooked || view.facts.spec->has_lottery_ticket()) return;
  double sum = 0, change = 0;
  size_t turns = 0;
  const size_t begin = recent.size() - kLooked;
  for (size_t i = begin; i < recent.size(); ++i) {
    sum += recent[i].loss;
    if (i > begin) change += std::abs(recent[i].loss - recent[i - 1].loss);
    if (i > begin + 1 && (recent[i].loss > recent[i - 1].loss) != (recent[i - 1].loss > recent[i - 2].loss)) ++turns;
  }
  const double mean = sum / kLooked;
  const double ratio = mean > 0 ? change / (kLooked - 1) / mean : 0;
  if (ratio <= config.most_change() || static_cast<double>(turns) < kTurns * (kLooked - 2)) return;
  if (mean < kConverged * LossToBeat(view)) return;
  Sighting& sighting = Add(found, absl::StrCat("the loss goes up and down by ", ratio, " of its size"));
  sighting
      .Measured("change / loss, between neighbouring stretches", ratio, v1::Evidence::RELATION_ABOVE,
                config.most_change())
      .Words("lower the learning rate, or make the batch larger");
  PatchRate(view.facts, 0.3, sighting);
}

const Registered<Rule, v1::LossOscillatingRule> kLossOscillating(
    "The loss goes up and down by much of its size.", [](v1::LossOscillatingRule& config, const FieldErrors& errors) {
      if (!config.has_most_change()) config.set_most_change(0.5);
      Require(config.most_change() > 0, errors, "most_change", "above 0", config.most_change());
      return std::make_unique<SimpleRule<v1::LossOscillatingRule>>(
          RuleTraits{.family = Family::kLoss, .unless_improving = true}, Source::kTrain, config, LookForOscillation);
    });

}  // namespace
}  // namespace traind::core
