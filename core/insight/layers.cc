#include "core/insight/layers.h"

#include <algorithm>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"

namespace traind::core {

std::vector<WeightsOf> WeightsIn(const View& view) {
  absl::flat_hash_map<std::string, const v1::ParameterStatistics*> by_name;
  for (const v1::ParameterStatistics& parameter : view.statistics->parameters()) {
    by_name.emplace(parameter.name(), &parameter);
  }
  std::vector<WeightsOf> weights;
  for (const Node& node : view.facts.graph->nodes()) {
    for (const ParameterSpec& parameter : node.parameters) {
      if (!parameter.penalized || !parameter.trained) continue;
      const auto found = by_name.find(absl::StrCat(node.name, ".", parameter.name));
      if (found == by_name.end() || found->second->frozen()) continue;
      weights.push_back({&node, found->second});
      break;
    }
  }
  return weights;
}

double MedianUpdateRatio(const View& view) {
  std::vector<double> ratios;
  for (const WeightsOf& weights : WeightsIn(view)) {
    if (weights.statistics->weight_norm() > 0) ratios.push_back(weights.statistics->update_ratio());
  }
  if (ratios.empty()) return 0;
  const auto middle = ratios.begin() + static_cast<std::ptrdiff_t>(ratios.size() / 2);
  std::nth_element(ratios.begin(), middle, ratios.end());
  return *middle;
}

}  // namespace traind::core
