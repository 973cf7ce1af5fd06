// Residual sums whose deviation grows from block to block (slide 65).
#include <cmath>
#include <memory>

#include "absl/strings/str_cat.h"
#include "core/base/require.h"
#include "core/insight/fixes.h"
#include "core/insight/layers.h"

namespace traind::core {
namespace {

// A sum of a branch and its shortcut.
struct ResidualSum {
  const Node* node;
  double std;
};

std::vector<ResidualSum> SumsIn(const View& view) {
  std::vector<ResidualSum> sums;
  ForEachLayer(view, [&](const v1::LayerStatistics& layer, const Node& node) {
    if (TraitsOf(node).sums_inputs) sums.push_back({&node, double{layer.std()}});
  });
  return sums;
}

// Where the network is a residual preset, or has residual blocks that do not say how they start.
void PatchZeroLast(const Facts& facts, Sighting& sighting) {
  if (GivenNetwork(facts) == nullptr) return;
  v1::Network network = *GivenNetwork(facts);
  bool changed = false;
  if (network.preset().has_resnet()) {
    v1::ResnetPreset& resnet = *network.mutable_preset()->mutable_resnet();
    changed = !resnet.fixup() && !resnet.zero_last();
    if (changed) resnet.set_zero_last(true);
  }
  for (v1::Layer& layer : *network.mutable_layers()) {
    if (!layer.block().has_residual()) continue;
    v1::Residual& residual = *layer.mutable_block()->mutable_residual();
    if (residual.initialization() != v1::Residual::INITIALIZATION_UNSPECIFIED) continue;
    residual.set_initialization(v1::Residual::INITIALIZATION_ZERO_LAST);
    changed = true;
  }
  if (changed) *Patch("network", sighting).mutable_network() = std::move(network);
}

void LookAtSums(const v1::ResidualVarianceRule& config, const View& view, std::vector<Sighting>& found) {
  if (view.step != 1) return;
  const std::vector<ResidualSum> sums = SumsIn(view);
  if (sums.size() < 2 || sums.front().std == 0) return;
  const double growth = sums.back().std / sums.front().std;
  if (growth <= config.most_growth()) return;
  // Where it begins: the first sum that grows as much as all do on average.
  const double average = std::pow(growth, 1.0 / static_cast<double>(sums.size() - 1));
  size_t at = 1;
  while (at + 1 < sums.size() && sums[at].std < average * sums[at - 1].std) ++at;
  Sighting& sighting = Add(found, absl::StrCat("at the beginning the residual sums grow from block to block: their ",
                                               "deviation is ", sums.front().std, " in \"", sums.front().node->name,
                                               "\" and ", sums.back().std, " in \"", sums.back().node->name, "\""));
  sighting.At(*sums[at].node)
      .Measured("deviation of the last sum / that of the first one", growth, v1::Evidence::RELATION_ABOVE,
                config.most_growth())
      .Words("let each branch start at zero (initialization: INITIALIZATION_ZERO_LAST), use fixup, or normalize in it");
  PatchZeroLast(view.facts, sighting);
}

const Registered<Rule, v1::ResidualVarianceRule> kResidualVariance(
    "Residual sums whose deviation grows from block to block (slide 65).",
    [](v1::ResidualVarianceRule& config, const FieldErrors& errors) {
      if (!config.has_most_growth()) config.set_most_growth(10);
      Require(config.most_growth() > 1, errors, "most_growth", "above 1", config.most_growth());
      return std::make_unique<SimpleRule<v1::ResidualVarianceRule>>(
          RuleTraits{.family = Family::kInitialization, .slide = 65, .unless_improving = true, .at_once = true},
          Source::kStatistics, config, LookAtSums);
    });

}  // namespace
}  // namespace traind::core
