// Weights that the steps do not move, or that are all zero.
#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "core/base/require.h"
#include "core/insight/layers.h"

namespace traind::core {
namespace {

constexpr int64_t kMoving = 2;  // Stretches: by then a warm-up has begun, and what started at zero has left it.

// Where branches are left out at random, a step without a gradient says nothing.
bool LeavesBranchesOut(const Facts& facts) {
  const auto& nodes = facts.graph->nodes();
  return std::any_of(nodes.begin(), nodes.end(), [&](const Node& node) {
    return node.layer != nullptr && node.layer->leaves_out(facts.spec->seed(), node.name) != nullptr;
  });
}

void LookForStandstill(const v1::UnchangedTensorRule& config, const View& view, std::vector<Sighting>& found) {
  const History& history = view.history;
  if (history.stretches() < kMoving || LeavesBranchesOut(view.facts)) return;
  // A schedule that has come to its end stops on purpose.
  if (history.recent().back().learning_rate < 0.1 * history.peak_learning_rate()) return;
  for (const WeightsOf& weights : WeightsIn(view)) {
    const v1::ParameterStatistics& tensor = *weights.statistics;
    const bool pruned = tensor.has_sparsity() && tensor.sparsity() >= 1;
    const bool zero = tensor.weight_norm() == 0;
    if (pruned || (!zero && tensor.update_ratio() > config.most_ratio())) continue;
    Add(found, zero ? "all its weights are zero, and stay so" : "the steps do not move it: no gradient arrives")
        .AtTensor(tensor.name())
        .Measured("update / weight", tensor.update_ratio(),
                  tensor.update_ratio() < config.most_ratio() ? v1::Evidence::RELATION_BELOW
                                                              : v1::Evidence::RELATION_UNSPECIFIED,
                  config.most_ratio())
        .Words("look at the findings that this one hangs on; else let its weights start with kaiming or xavier");
  }
}

const Registered<Rule, v1::UnchangedTensorRule> kUnchangedTensor(
    "Weights that the steps do not move, or that are all zero.",
    [](v1::UnchangedTensorRule& config, const FieldErrors& errors) {
      if (!config.has_most_ratio()) config.set_most_ratio(0);
      Require(config.most_ratio() >= 0, errors, "most_ratio", "at least 0", config.most_ratio());
      return std::make_unique<SimpleRule<v1::UnchangedTensorRule>>(
          RuleTraits{.family = Family::kGradient, .unless_improving = true}, Source::kStatistics, config,
          LookForStandstill);
    });

}  // namespace
}  // namespace traind::core
