// Gradients that are nearly gone before they reach the first layers (slides 11 and 50).
#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "core/base/require.h"
#include "core/insight/fixes.h"
#include "core/insight/layers.h"

namespace traind::core {
namespace {

constexpr double kUnderSigmoids = 100;  // On least_ratio: each lets a quarter pass at most.

// Whether two hidden layers or more are squashed by a sigmoid. The profiles of other tools do not ask.
bool HasSigmoids(const Facts& facts) {
  if (facts.spec != nullptr && facts.spec->insight().profile() > v1::InsightSpec::PROFILE_DEFAULT) return false;
  const auto& nodes = facts.graph->nodes();
  return std::count_if(nodes.begin(), nodes.end() - 1, [](const Node& node) {
           return node.activation_kind == "sigmoid" || node.kind == "sigmoid";
         }) > 1;
}

constexpr char kAdviceForDepth[] =
    "use relu with kaiming, put batch_norm between the layers, or a residual block around them";

// The first layer whose gradient is small as such; true when it was said.
bool LookAtSmallness(const v1::VanishingGradientRule& config, const View& view, const std::vector<WeightsOf>& weights,
                     std::vector<Sighting>& found) {
  if (!config.has_least_rms()) return false;
  for (const WeightsOf& one : weights) {
    const double rms = GradientRms(*one.statistics);
    if (rms >= config.least_rms()) continue;
    Sighting& sighting = Add(found, absl::StrCat("its gradient is ", rms == 0 ? "zero" : "nearly gone"));
    sighting.At(*one.node)
        .Measured("root mean square of the gradient", rms, v1::Evidence::RELATION_BELOW, config.least_rms())
        .Words(kAdviceForDepth);
    PatchBatchNorms(view.facts, sighting);
    return true;
  }
  return false;
}

void LookForVanishing(const v1::VanishingGradientRule& config, const View& view, std::vector<Sighting>& found) {
  const std::vector<WeightsOf> weights = WeightsIn(view);
  if (LookAtSmallness(config, view, weights, found)) return;
  const double least = config.least_ratio() * (HasSigmoids(view.facts) ? kUnderSigmoids : 1);
  double largest_behind = 0, ratio = 1;
  int first = -1, small = 0;
  for (int i = static_cast<int>(weights.size()) - 1; i >= 0; --i) {
    const double rms = GradientRms(*weights[i].statistics);
    if (largest_behind > 0 && rms < least * largest_behind) {
      first = i;
      ratio = rms / largest_behind;
      ++small;
    }
    largest_behind = std::max(largest_behind, rms);
  }
  if (first < 0) return;
  const Node& node = *weights[first].node;
  const std::string others =
      small > 1 ? absl::StrCat(", as are those of ", small - 1, " more of ", weights.size(), " layers with weights")
                : "";
  Sighting& sighting = Add(found, absl::StrCat("its gradient is ",
                                               ratio == 0                     ? "zero"
                                               : ratio < config.least_ratio() ? "nearly gone"
                                                                              : "small under the sigmoids",
                                               others));
  sighting.At(node)
      .Measured("gradient / largest gradient behind it", ratio, v1::Evidence::RELATION_BELOW, least)
      .Words(kAdviceForDepth);
  PatchBatchNorms(view.facts, sighting);
}

const Registered<Rule, v1::VanishingGradientRule> kVanishingGradient(
    "Gradients that are nearly gone before they reach the first layers (slides 11 and 50).",
    [](v1::VanishingGradientRule& config, const FieldErrors& errors) {
      if (!config.has_least_ratio()) config.set_least_ratio(1e-3);
      Require(config.least_ratio() > 0 && config.least_ratio() < 1, errors, "least_ratio", "in (0, 1)",
              config.least_ratio());
      Require(!config.has_least_rms() || config.least_rms() > 0, errors, "least_rms", "above 0", config.least_rms());
      return std::make_unique<SimpleRule<v1::VanishingGradientRule>>(
          RuleTraits{.family = Family::kGradient, .slide = 50, .unless_improving = true}, Source::kStatistics, config,
          LookForVanishing);
    });

}  // namespace
}  // namespace traind::core
