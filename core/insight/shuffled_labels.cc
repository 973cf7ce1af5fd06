// Labels that have nothing to do with their examples. What decides is the nearest neighbour, so that data whose
// neighbours say nothing though a network could learn it (patterns among many numbers of noise) looks the same: then
// the training improves, and the rule only informs.
#include <algorithm>
#include <cmath>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/base/require.h"
#include "core/insight/rule.h"

namespace traind::core {
namespace {

constexpr double kOthers = 8;  // Of its class that an example is compared with, on average: of fewer none may be near.
// Two standard errors beyond which nothing is said: 400 examples of two classes, 200 of three; 356 numbers.
constexpr double kUndecidedClasses = 0.1;
constexpr double kUndecidedNumbers = 0.15;

// Of (agreement - chance) / (1 - chance) when targets have nothing to do with examples. A squared difference of normal
// numbers has the variance 2 in squares of its mean.
double StandardError(const v1::DataProfile& data, bool classes) {
  const double chance = data.chance_agreement(), compared = static_cast<double>(data.compared());
  return std::sqrt((classes ? chance / (1 - chance) : 2) / compared);
}

void LookForShuffled(const v1::ShuffledLabelsRule& config, const View& view, std::vector<Sighting>& found) {
  const v1::DataProfile& data = *view.data;
  if (view.facts.spec == nullptr || view.facts.spec->data().targets() == v1::TARGET_SOURCE_INPUT) return;
  const bool classes = view.facts.classes > 0;
  const double chance = data.chance_agreement();
  if (data.compared() < 2 || !(chance < 1)) return;
  if (classes && chance * static_cast<double>(data.compared() - 1) < kOthers) return;
  const double error = StandardError(data, classes);
  if (2 * error > (classes ? kUndecidedClasses : kUndecidedNumbers)) return;
  const double agreement = (data.neighbour_agreement() - chance) / (1 - chance);
  const double threshold = std::max(config.least_agreement(), 2 * error);
  if (!(agreement < threshold)) return;
  const std::string cause =
      classes ? absl::StrFormat(
                    "labels look shuffled: the nearest neighbour has the class of an example in %.3g %% of "
                    "%d, and would by chance in %.3g %%",
                    100 * data.neighbour_agreement(), data.compared(), 100 * chance)
              : absl::StrCat("targets look shuffled: those of nearest neighbours among ", data.compared(),
                             " examples are no closer than those of any two");
  Add(found, cause)
      .Measured("(agreement of neighbours - chance) / (1 - chance)", agreement, v1::Evidence::RELATION_BELOW, threshold)
      .Words("check that examples and labels are in one order: was one of the two files sorted or shuffled alone?");
}

const Registered<Rule, v1::ShuffledLabelsRule> kShuffledLabels(
    "Labels that have nothing to do with the examples.", [](v1::ShuffledLabelsRule& config, const FieldErrors& errors) {
      if (!config.has_least_agreement()) config.set_least_agreement(0.05);
      Require(config.least_agreement() >= 0 && config.least_agreement() <= 1, errors, "least_agreement", "in [0, 1]",
              config.least_agreement());
      return std::make_unique<SimpleRule<v1::ShuffledLabelsRule>>(
          RuleTraits{.family = Family::kData, .unless_improving = true, .at_once = true}, Source::kData, config,
          LookForShuffled);
    });

}  // namespace
}  // namespace traind::core
