// Labels that have nothing to do with their examples. The nearest neighbour says so before the first step; but where
// neighbours say nothing though a network can learn the classes (a few numbers that matter among many), it looks the
// same. So it only informs until an evaluation, too, is no better than guessing; but where neighbours agree in the
// evaluation split, they would in the training split.
#include <algorithm>
#include <cmath>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/base/require.h"
#include "core/insight/agreement.h"
#include "core/insight/noisy_labels.h"
#include "core/insight/rule.h"

namespace traind::core {
namespace {

constexpr double kOthers = 8;  // Of its class that an example is compared with, on average: of fewer none may be near.
// Two standard errors beyond which nothing is said: 400 examples of two classes, 200 of three; 356 numbers.
constexpr double kUndecidedClasses = 0.1;
constexpr double kUndecidedNumbers = 0.15;

constexpr double kOtherwise = 0.2;  // Agreement of the evaluation's neighbours beyond that of the training's, ...
constexpr double kErrors = 3;       // ... and standard errors of that difference.

// Neighbours in the evaluation split agree, and those here do not.
bool AgreesElsewhere(const View& view) {
  const auto it = GapOf(view);
  return it.has_value() && it->gap > std::max(kOtherwise, kErrors * it->error);
}

// Whether what was learned holds for examples that were not trained on. False while that is not known. Where a constant
// answer's loss is not known, the loss to beat is the first one, from which a network gets down without learning
// anything else.
bool FailsToGeneralize(const View& view) {
  const bool known = ConstantAnswerLoss(view).has_value();
  const double better = known ? 0.95 : 0.6, beginning = known ? 0.1 : 0.5;
  if (view.source == Source::kData) return !view.data->has_evaluation();  // Nothing will tell.
  if (view.history.whole().empty()) return false;
  const bool begins = static_cast<double>(view.step) < beginning * static_cast<double>(view.facts.total_steps);
  return !begins && view.history.best_evaluation() >= better * LossToBeat(view);
}

class ShuffledLabels final : public Rule {
 public:
  explicit ShuffledLabels(const v1::ShuffledLabelsRule& config)
      : Rule({.family = Family::kData, .at_once = true}), config_(config) {}

  bool Reads(Source source) const override { return source == Source::kData || source == Source::kEvaluation; }

  void Look(const View& view, std::vector<Sighting>& found) const override {
    if (view.data == nullptr || view.facts.spec == nullptr) return;
    const v1::DataProfile& data = *view.data;
    if (view.facts.spec->data().targets() == v1::TARGET_SOURCE_INPUT) return;
    if (view.facts.graph != nullptr && ReadsTokens(*view.facts.graph)) return;
    const bool classes = view.facts.classes > 0;
    const double chance = data.chance_agreement();
    if (data.compared() < 2 || !(chance < 1)) return;
    if (classes && chance * static_cast<double>(data.compared() - 1) < kOthers) return;
    const Agreement it = AgreementOf(data.neighbour_agreement(), chance, data.compared(), classes);
    if (2 * it.chance_error > (classes ? kUndecidedClasses : kUndecidedNumbers)) return;
    const double threshold = std::max(config_.least_agreement(), 2 * it.chance_error);
    if (!(it.value < threshold)) return;
    const std::string cause =
        classes ? absl::StrFormat(
                      "labels look shuffled: the nearest neighbour has the class of an example in %.3g %% "
                      "of %d, and would by chance in %.3g %%",
                      100 * data.neighbour_agreement(), data.compared(), 100 * chance)
                : absl::StrCat("targets look shuffled: those of nearest neighbours among ", data.compared(),
                               " examples are no closer than those of any two");
    Add(found, cause)
        .Is(AgreesElsewhere(view) || FailsToGeneralize(view) ? v1::Finding::SEVERITY_WARNING
                                                             : v1::Finding::SEVERITY_INFO)
        .Measured("(agreement of neighbours - chance) / (1 - chance)", it.value, v1::Evidence::RELATION_BELOW,
                  threshold)
        .Words("check that examples and labels are in one order: was one of the two files sorted or shuffled alone?");
  }

 private:
  const v1::ShuffledLabelsRule config_;
};

const Registered<Rule, v1::ShuffledLabelsRule> kShuffledLabels(
    "Labels that have nothing to do with the examples.", [](v1::ShuffledLabelsRule& config, const FieldErrors& errors) {
      if (!config.has_least_agreement()) config.set_least_agreement(0.05);
      Require(config.least_agreement() >= 0 && config.least_agreement() <= 1, errors, "least_agreement", "in [0, 1]",
              config.least_agreement());
      return std::make_unique<ShuffledLabels>(config);
    });

}  // namespace
}  // namespace traind::core
