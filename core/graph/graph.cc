#include "core/graph/graph.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/graph/graph_builder.h"
#include "core/kinds/preset.h"

namespace traind::core {
namespace {

// A bound on each size of the input, far above use.
constexpr int64_t kMaxDimension = int64_t{1} << 24;

bool CheckInputShape(const v1::Network& network, const FieldErrors& errors) {
  const auto& shape = network.input_shape();
  const bool rank = shape.size() == 1 || shape.size() == 3;
  const bool sizes = std::all_of(shape.begin(), shape.end(), [](int64_t d) { return d >= 1 && d <= kMaxDimension; });
  if (rank && sizes && CheckedElements(shape, GraphBuilder::kMaxElements) > 0) return true;
  errors.At("input_shape")
      .Add("must be [features] or [channels, height, width], each at least 1, at most 2^31 values in all");
  return false;
}

// The layers of the network's preset; none after a violation.
std::vector<v1::Layer> PresetLayers(v1::Network& network, const Shape* input, const FieldErrors& errors) {
  if (!network.layers().empty()) {
    errors.At("preset").Add("contradicts layers: a network has one or the other");
    return {};
  }
  const auto preset = Registry<Preset>::Get().Create(*network.mutable_preset(), errors.At("preset"));
  if (preset == nullptr) return {};
  if (input != nullptr) preset->Check(*input, AtKind(network.preset(), errors.At("preset")));
  return preset->Layers(input ? std::optional<Shape>(*input) : std::nullopt);
}

}  // namespace

std::unique_ptr<Graph> Graph::Build(v1::Network& network, const FieldErrors& errors) {
  const int before = errors.count();
  if (network.has_from()) errors.At("from").Add("is known to a server alone, which puts plain layers in its place");
  auto graph = std::make_unique<Graph>();
  graph->input_shape_.assign(network.input_shape().begin(), network.input_shape().end());
  const Shape* input = CheckInputShape(network, errors) ? &graph->input_shape_ : nullptr;
  const GroupPenalties penalties = SumOf(*network.mutable_regularizers(), errors);

  std::vector<v1::Layer> made;
  if (network.has_preset()) {
    made = PresetLayers(network, input, errors);
    if (made.empty()) return nullptr;
  } else if (network.layers().empty() || network.layers_size() > GraphBuilder::kMaxLayers) {
    errors.At("layers").Add(absl::StrCat("must be 1 to ", GraphBuilder::kMaxLayers, " layers"));
    return nullptr;
  }
  const int residual_blocks = CountResidualBlocks({made.begin(), made.end()}) + CountResidualBlocks(network.layers());
  GraphBuilder builder(input, penalties, residual_blocks);
  const int output = made.empty() ? builder.AddNetwork(*network.mutable_layers(), errors)
                                  : builder.AddPreset(std::move(made), AtKind(network.preset(), errors.At("preset")));
  if (errors.count() > before) return nullptr;

  if (builder.has_blocks()) *network.mutable_layers() = std::move(builder.expanded());
  network.clear_preset();
  graph->nodes_ = std::move(builder.nodes());
  graph->output_ = output;
  return graph;
}

int64_t Graph::num_parameters() const {
  int64_t n = 0;
  for (const Node& node : nodes_) {
    for (const ParameterSpec& parameter : node.parameters) n += parameter.trained ? Elements(parameter.shape) : 0;
  }
  return n;
}

}  // namespace traind::core
