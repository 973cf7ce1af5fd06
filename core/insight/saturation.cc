// Squashing activations whose values are mostly where the slope is gone (slides 11 and 53).
#include <memory>

#include "absl/strings/str_cat.h"
#include "core/base/require.h"
#include "core/insight/fixes.h"
#include "core/insight/layers.h"

namespace traind::core {
namespace {

constexpr double kNearlyAll = 0.8;  // The layer passes next to nothing back, however well the others get on.

void LookForSaturation(const v1::SaturationRule& config, const View& view, std::vector<Sighting>& found) {
  ForEachMovingLayer(view, [&](const v1::LayerStatistics& layer, const Node& node) {
    if (!layer.has_saturated_fraction() || node.activation == nullptr || node.activation->can_die()) return;
    const double share = layer.saturated_fraction();
    if (share <= config.most_share()) return;
    Sighting& sighting =
        Add(found, absl::StrCat("its ", node.activation_kind.empty() ? node.kind : node.activation_kind,
                                " is saturated: such values pass no gradient"));
    sighting.At(node)
        .Measured("saturated values / values", share, v1::Evidence::RELATION_ABOVE, config.most_share())
        .Weighs(share >= kNearlyAll ? Weight::kPlain : Weight::kUsual)
        .Words("let the weights start smaller (xavier), normalize the data, lower the learning rate, or use relu");
    PatchInitializers(view.facts, {&node}, sighting);
  });
}

const Registered<Rule, v1::SaturationRule> kSaturation(
    "Values of a squashing activation where its slope is gone (slides 11 and 53).",
    [](v1::SaturationRule& config, const FieldErrors& errors) {
      if (!config.has_most_share()) config.set_most_share(0.5);
      Require(config.most_share() >= 0 && config.most_share() <= 1, errors, "most_share", "in [0, 1]",
              config.most_share());
      return std::make_unique<SimpleRule<v1::SaturationRule>>(
          RuleTraits{.family = Family::kActivation, .slide = 53, .unless_improving = true}, Source::kStatistics, config,
          LookForSaturation);
    });

}  // namespace
}  // namespace traind::core
