// Features that are copies of another one.
#include <memory>

#include "absl/strings/str_cat.h"
#include "core/base/require.h"
#include "core/insight/rule.h"

namespace traind::core {
namespace {

constexpr int64_t kFewest = 32;    // Examples: in fewer of them features are equal by chance.
constexpr double kOfImages = 0.1;  // Neighbouring pixels may well be equal; less is not worth a word.

void LookForCopies(const v1::DuplicatedFeaturesRule& config, const View& view, std::vector<Sighting>& found) {
  const v1::DataProfile& data = *view.data;
  const int64_t varying = data.features() - data.constant_features();
  if (varying <= 0 || data.sampled() < kFewest || ReadsTokens(*view.facts.graph)) return;  // Padding.
  const double share = static_cast<double>(data.duplicated_features()) / static_cast<double>(varying);
  if (share <= config.most_share()) return;
  const bool images = view.facts.graph->input_shape().size() == 3;
  if (images && share < kOfImages) return;
  Add(found, absl::StrCat(data.duplicated_features(), " of the ", varying, " features that vary are copies of another ",
                          "one in all of ", data.sampled(), " examples"))
      .Is(v1::Finding::SEVERITY_INFO)
      .Measured("duplicated features / features that vary", share, v1::Evidence::RELATION_ABOVE, config.most_share())
      .Words(images ? "were the images made larger by repeating pixels? then smaller ones say the same"
                    : "leave the copies out of the dataset");
}

const Registered<Rule, v1::DuplicatedFeaturesRule> kDuplicatedFeatures(
    "Features that are copies of another in all examples.",
    [](v1::DuplicatedFeaturesRule& config, const FieldErrors& errors) {
      if (!config.has_most_share()) config.set_most_share(0);
      Require(config.most_share() >= 0 && config.most_share() <= 1, errors, "most_share", "in [0, 1]",
              config.most_share());
      return std::make_unique<SimpleRule<v1::DuplicatedFeaturesRule>>(
          RuleTraits{.family = Family::kAlone, .at_once = true}, Source::kData, config, LookForCopies);
    });

}  // namespace
}  // namespace traind::core
