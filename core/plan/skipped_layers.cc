#include "core/plan/skipped_layers.h"

#include <algorithm>
#include <utility>

namespace traind::core {
namespace {

std::vector<std::vector<int>> ReadersOf(const Graph& graph) {
  std::vector<std::vector<int>> readers(graph.nodes().size());
  for (size_t i = 0; i < readers.size(); ++i) {
    for (int input : graph.nodes()[i].inputs) {
      if (input != Node::kNetworkInput) readers[input].push_back(static_cast<int>(i));
    }
  }
  return readers;
}

bool KeepsStatistics(const Node& node) {
  return std::any_of(node.parameters.begin(), node.parameters.end(), [](const auto& p) { return !p.trained; });
}

}  // namespace

SkippedLayers FindSkippedLayers(const Graph& graph, uint64_t seed, bool training) {
  const size_t n = graph.nodes().size();
  const std::vector<std::vector<int>> none(n);
  SkippedLayers skipped{.rules = {}, .forward = none, .backward = none};
  const auto readers = ReadersOf(graph);
  for (int last = 0; last < static_cast<int>(n); ++last) {
    const Node& node = graph.nodes()[last];
    Layer::LeavesOut rule = node.layer ? node.layer->leaves_out(seed, node.name) : nullptr;
    if (!rule) continue;
    const int number = static_cast<int>(skipped.rules.size());
    skipped.rules.push_back(std::move(rule));
    std::vector<bool> serves(n), computed(n);  // It alone; all the same, for the statistics.
    serves[last] = true;
    for (int i = last - 1; i >= 0; --i) {
      const auto all = [&](const std::vector<bool>& which) {
        return std::all_of(readers[i].begin(), readers[i].end(), [&](int reader) { return which[reader]; });
      };
      const auto any = [&](const std::vector<bool>& which) {
        return std::any_of(readers[i].begin(), readers[i].end(), [&](int reader) { return which[reader]; });
      };
      serves[i] = i != graph.output_index() && !readers[i].empty() && all(serves);
      computed[i] = serves[i] && ((training && KeepsStatistics(graph.nodes()[i])) || any(computed));
      if (serves[i]) skipped.backward[i].push_back(number);
      if (serves[i] && !computed[i]) skipped.forward[i].push_back(number);
    }
  }
  return skipped;
}

}  // namespace traind::core
