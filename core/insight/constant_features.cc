// Features that are the same in every training example.
#include <memory>

#include "absl/strings/str_cat.h"
#include "core/base/require.h"
#include "core/insight/rule.h"

namespace traind::core {
namespace {

constexpr double kTooMany = 0.5;  // Of features that are not pixels: most of the data says nothing.
constexpr double kBorder = 0.1;   // Of pixels: less is not worth a word.

void LookForConstants(const v1::ConstantFeaturesRule& config, const View& view, std::vector<Sighting>& found) {
  const v1::DataProfile& data = *view.data;
  if (data.features() == 0 || data.sampled() < 2 || ReadsTokens(*view.facts.graph)) return;  // Padding.
  const double share = static_cast<double>(data.constant_features()) / static_cast<double>(data.features());
  if (share <= config.most_share()) return;
  const bool images = view.facts.graph->input_shape().size() == 3;
  if (images && share < kBorder) return;
  Add(found, absl::StrCat(data.constant_features(), " of ", data.features(), " features have one value in all of ",
                          data.sampled(), " examples"))
      .Is(images || share <= kTooMany ? v1::Finding::SEVERITY_INFO : v1::Finding::SEVERITY_WARNING)
      .Measured("constant features / features", share, v1::Evidence::RELATION_ABOVE, config.most_share())
      .Words(images ? "borders of images are like that; cropping them makes the network smaller"
                    : "leave these columns out of the dataset");
}

const Registered<Rule, v1::ConstantFeaturesRule> kConstantFeatures(
    "Features that have one value in all examples.", [](v1::ConstantFeaturesRule& config, const FieldErrors& errors) {
      if (!config.has_most_share()) config.set_most_share(0);
      Require(config.most_share() >= 0 && config.most_share() <= 1, errors, "most_share", "in [0, 1]",
              config.most_share());
      return std::make_unique<SimpleRule<v1::ConstantFeaturesRule>>(
          RuleTraits{.family = Family::kData, .at_once = true}, Source::kData, config, LookForConstants);
    });

}  // namespace
}  // namespace traind::core
