// Training labels of which many are wrong: neighbours among the training examples agree less than those among the
// evaluation's. With a share q of right labels the agreement beyond chance is q^2 of what it would be.
#include "core/insight/noisy_labels.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/base/require.h"

namespace traind::core {
namespace {

constexpr double kOtherShares = 0.1;  // Of the classes, half the sum: neighbours of rare classes agree less.
constexpr double kStandardErrors = 3;
constexpr double kAtRandom = 0.05;  // Agreement beyond chance: below it shuffled_labels speaks.

void LookForNoise(const v1::NoisyLabelsRule& config, const View& view, std::vector<Sighting>& found) {
  const auto it = GapOf(view);
  if (!it.has_value() || it->training.value < std::max(kAtRandom, 2 * it->training.chance_error)) return;
  const double threshold = std::max(config.most_gap(), kStandardErrors * it->error);
  if (!(it->gap > threshold)) return;
  const double right = std::sqrt(it->training.value / it->evaluation.value);
  Add(found, absl::StrFormat("nearest neighbours among the training examples agree by %.2g beyond chance, those of the "
                             "evaluation by %.2g: about %.0f %% of the training %s look wrong",
                             it->training.value, it->evaluation.value, 100 * (1 - right),
                             view.facts.classes > 0 ? "labels" : "targets"))
      .Measured("agreement beyond chance, evaluation minus training", it->gap, v1::Evidence::RELATION_ABOVE, threshold)
      .Words(
          "look at the labels of the training split (trainctl suspects lists the most doubtful ones); an evaluation "
          "split that is labelled as badly would hide it");
}

const Registered<Rule, v1::NoisyLabelsRule> kNoisyLabels(
    "Training labels of which many are wrong.", [](v1::NoisyLabelsRule& config, const FieldErrors& errors) {
      if (!config.has_most_gap()) config.set_most_gap(0.2);
      Require(config.most_gap() > 0 && config.most_gap() < 1, errors, "most_gap", "in (0, 1)", config.most_gap());
      return std::make_unique<SimpleRule<v1::NoisyLabelsRule>>(RuleTraits{.family = Family::kData, .at_once = true},
                                                               Source::kData, config, LookForNoise);
    });

}  // namespace

std::optional<AgreementGap> GapOf(const View& view) {
  if (view.data == nullptr || !view.data->has_evaluation() || view.facts.spec == nullptr) return std::nullopt;
  if (view.facts.spec->data().targets() == v1::TARGET_SOURCE_INPUT) return std::nullopt;
  if (view.facts.graph != nullptr && ReadsTokens(*view.facts.graph)) return std::nullopt;
  const v1::DataProfile::EvaluationProfile& evaluation = view.data->evaluation();
  const bool comparable = evaluation.compared() > 1 && evaluation.class_shift() <= kOtherShares &&
                          evaluation.chance_agreement() < 1 && evaluation.training_chance() < 1;
  if (!comparable) return std::nullopt;
  const bool classes = view.facts.classes > 0;
  AgreementGap it = {.training = AgreementOf(evaluation.training_agreement(), evaluation.training_chance(),
                                             evaluation.compared(), classes),
                     .evaluation = AgreementOf(evaluation.neighbour_agreement(), evaluation.chance_agreement(),
                                               evaluation.compared(), classes)};
  it.gap = it.evaluation.value - it.training.value;
  // Two that are each other's neighbours are one pair, and count twice.
  it.error = std::sqrt(2) * std::hypot(it.training.error, it.evaluation.error);
  return it;
}

}  // namespace traind::core
