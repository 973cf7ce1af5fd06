// Units that have given zero for every example of several observed steps (slides 22-27).
#include <memory>

#include "absl/strings/str_cat.h"
#include "core/base/require.h"
#include "core/insight/fixes.h"
#include "core/insight/layers.h"

namespace traind::core {
namespace {

constexpr double kAllDead = 0.9;  // The layer passes next to nothing on.

void LookForDeadUnits(const v1::DeadReluRule& config, const View& view, std::vector<Sighting>& found) {
  ForEachMovingLayer(view, [&](const v1::LayerStatistics& layer, const Node& node) {
    if (!layer.has_dead_units() || layer.units() == 0) return;
    const double share = static_cast<double>(layer.dead_units()) / static_cast<double>(layer.units());
    if (share <= config.most_share()) return;
    Sighting& sighting = Add(found, absl::StrCat(layer.dead_units(), " of ", layer.units(),
                                                 " units give zero for every example and no longer learn"));
    sighting.At(node)
        .Is(share >= kAllDead ? v1::Finding::SEVERITY_CRITICAL : v1::Finding::SEVERITY_WARNING)
        .Measured("dead units / units", share, v1::Evidence::RELATION_ABOVE, config.most_share())
        .Words("use leaky_relu, a bias that starts at 0.01, or a lower learning rate");
    PatchToLeakyRelu(view.facts, node, sighting);
  });
}

const Registered<Rule, v1::DeadReluRule> kDeadRelu("Units of a relu that give zero for every example (slides 22-27).",
                                                   [](v1::DeadReluRule& config, const FieldErrors& errors) {
                                                     if (!config.has_most_share()) config.set_most_share(0.5);
                                                     Require(config.most_share() >= 0 && config.most_share() < 1,
                                                             errors, "most_share", "in [0, 1)", config.most_share());
                                                     return std::make_unique<SimpleRule<v1::DeadReluRule>>(
                                                         RuleTraits{.family = Family::kActivation,
                                                                    .slide = 26,
                                                                    .unless_improving = true},
                                                         Source::kStatistics, config, LookForDeadUnits);
                                                   });

}  // namespace
}  // namespace traind::core
