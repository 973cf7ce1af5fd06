// Examples of the evaluation split that are trained on, too.
#include <memory>

#include "absl/strings/str_cat.h"
#include "core/base/require.h"
#include "core/insight/rule.h"

namespace traind::core {
namespace {

void LookForShared(const v1::SharedExamplesRule& config, const View& view, std::vector<Sighting>& found) {
  const v1::DataProfile::EvaluationProfile& evaluation = view.data->evaluation();
  if (evaluation.sampled() == 0) return;
  const double share = static_cast<double>(evaluation.shared()) / static_cast<double>(evaluation.sampled());
  if (share <= config.most_share()) return;
  Sighting& sighting = Add(
      found, absl::StrCat(evaluation.shared(), " of ", evaluation.sampled(), " examples of the split ",
                          evaluation.split(), " are in the training split, too: their evaluation ", "measures memory"));
  sighting.finding.set_split(evaluation.split());
  sighting.Measured("shared examples / examples", share, v1::Evidence::RELATION_ABOVE, config.most_share())
      .Words("split the data anew after removing what stands in it twice");
}

const Registered<Rule, v1::SharedExamplesRule> kSharedExamples(
    "Examples of the evaluation split that are trained on, too.",
    [](v1::SharedExamplesRule& config, const FieldErrors& errors) {
      if (!config.has_most_share()) config.set_most_share(0.01);
      Require(config.most_share() >= 0 && config.most_share() <= 1, errors, "most_share", "in [0, 1]",
              config.most_share());
      return std::make_unique<SimpleRule<v1::SharedExamplesRule>>(RuleTraits{.family = Family::kAlone, .at_once = true},
                                                                  Source::kData, config, LookForShared);
    });

}  // namespace
}  // namespace traind::core
