#include "core/job/penalty_warnings.h"

#include <array>
#include <functional>
#include <map>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/base/enum_name.h"

namespace traind::core {
namespace {

using Regularizers = google::protobuf::RepeatedPtrField<v1::Regularizer>;
using Groups = std::array<bool, v1::ParameterGroup_ARRAYSIZE>;

void Include(const Node& node, Groups& there) {
  for (const ParameterSpec& parameter : node.parameters) {
    if (parameter.trained) there[parameter.group] = true;
  }
}

// `whose`: "layer \"relu1\" has", or "no layer has".
void WarnOfMissing(const Regularizers& regularizers, const std::string& where, const std::string& whose,
                   const Groups& there, std::vector<std::string>& warnings) {
  for (int i = 0; i < regularizers.size(); ++i) {
    std::vector<v1::ParameterGroup> groups;
    for (const int group : regularizers[i].groups()) groups.push_back(static_cast<v1::ParameterGroup>(group));
    if (groups.empty()) groups.push_back(v1::PARAMETER_GROUP_WEIGHTS);
    for (const v1::ParameterGroup group : groups) {
      if (there[group]) continue;
      warnings.push_back(absl::StrCat(where, "regularizers[", i, "] acts on nothing: ", whose,
                                      " trained parameters of the group ", EnumName(group)));
    }
  }
}

}  // namespace

void WarnOfPenalties(const v1::Network& written, const Graph& graph, std::vector<std::string>& warnings) {
  Groups all = {};
  std::map<std::string, const Node*, std::less<>> nodes;
  for (const Node& node : graph.nodes()) {
    Include(node, all);
    nodes[node.name] = &node;
  }
  WarnOfMissing(written.regularizers(), "network.", "no layer has", all, warnings);
  for (int i = 0; i < written.layers_size(); ++i) {
    const v1::Layer& layer = written.layers(i);
    if (layer.regularizers().empty()) continue;
    Groups there = {};
    if (const auto own = nodes.find(layer.name()); own != nodes.end()) Include(*own->second, there);
    const std::string prefix = absl::StrCat(layer.name(), ".");  // Of a block's layers.
    for (auto inside = nodes.lower_bound(prefix);
         layer.has_block() && inside != nodes.end() && absl::StartsWith(inside->first, prefix); ++inside) {
      Include(*inside->second, there);
    }
    WarnOfMissing(layer.regularizers(), absl::StrCat("network.layers[", i, "]."),
                  absl::StrCat(layer.has_block() ? "block \"" : "layer \"", layer.name(), "\" has no"), there,
                  warnings);
  }
}

}  // namespace traind::core
