// An evaluation split of another distribution than that of the training.
#include <algorithm>
#include <cmath>
#include <memory>

#include "absl/strings/str_cat.h"
#include "core/base/require.h"
#include "core/insight/rule.h"

namespace traind::core {
namespace {

// Of two samples of one distribution, in deviations: what their means differ by.
double MeansByChance(const v1::DataProfile& data) {
  return std::sqrt(1 / static_cast<double>(data.sampled()) + 1 / static_cast<double>(data.evaluation().sampled()));
}

// Half the sum of what the classes' shares differ by then: that of a normal number of deviation s is 0.8 s.
double ClassesByChance(const v1::DataProfile& data) {
  double examples = 0, sum = 0;
  for (const int64_t count : data.class_counts()) examples += static_cast<double>(count);
  const double errors = 1 / examples + 1 / static_cast<double>(data.evaluation().examples());
  for (const int64_t count : data.class_counts()) {
    const double share = static_cast<double>(count) / examples;
    sum += std::sqrt(share * (1 - share) * errors);
  }
  return 0.4 * sum;
}

void LookForShift(const v1::SplitShiftRule& config, const View& view, std::vector<Sighting>& found) {
  const v1::DataProfile& data = *view.data;
  const v1::DataProfile::EvaluationProfile& evaluation = data.evaluation();
  if (data.sampled() < 2 || evaluation.sampled() < 2) return;
  const bool classes = !data.class_counts().empty() && evaluation.class_shift() > config.most_class_shift() &&
                       evaluation.class_shift() > 2 * ClassesByChance(data);
  const bool means = !ReadsTokens(*view.facts.graph) && evaluation.shift() > config.most_shift() &&
                     evaluation.shift() > 3 * MeansByChance(data);
  if (!classes && !means) return;
  const std::string which = absl::StrCat("the split ", evaluation.split());
  // Other classes have other means: they come first.
  Sighting& sighting = Add(
      found, classes ? absl::StrCat(which, " has its classes in other shares than the training split")
                     : absl::StrCat(which, " has other means than the training split: they are ", evaluation.shift(),
                                    " of a feature's deviation apart, in the root mean square"));
  sighting.finding.set_split(evaluation.split());
  if (classes) {
    sighting.Measured("half the sum of the differences of the classes' shares", evaluation.class_shift(),
                      v1::Evidence::RELATION_ABOVE, config.most_class_shift());
  } else {
    sighting.Measured("difference of the means / deviation", evaluation.shift(), v1::Evidence::RELATION_ABOVE,
                      config.most_shift());
  }
  sighting.Words("draw both splits at random from the same data, unless the difference is what you want to measure");
}

const Registered<Rule, v1::SplitShiftRule> kSplitShift(
    "The evaluation split has another distribution than that of the training.",
    [](v1::SplitShiftRule& config, const FieldErrors& errors) {
      if (!config.has_most_shift()) config.set_most_shift(0.5);
      Require(config.most_shift() >= 0, errors, "most_shift", "at least 0", config.most_shift());
      if (!config.has_most_class_shift()) config.set_most_class_shift(0.3);
      Require(config.most_class_shift() >= 0 && config.most_class_shift() <= 1, errors, "most_class_shift", "in [0, 1]",
              config.most_class_shift());
      return std::make_unique<SimpleRule<v1::SplitShiftRule>>(RuleTraits{.family = Family::kAlone, .at_once = true},
                                                              Source::kData, config, LookForShift);
    });

}  // namespace
}  // namespace traind::core
