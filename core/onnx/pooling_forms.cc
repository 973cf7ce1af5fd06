// Pooling. What a window hangs over the edge is always said as padding of its own: the operators' ceil_mode and
// count_include_pad mean other things in other versions of other programs.
#include <algorithm>
#include <array>

#include "core/base/errors.h"
#include "core/layers/pooling_regions.h"
#include "core/onnx/forms.h"

namespace traind::core::onnx {
namespace {

// The window of a resolved config, laid over the layer's input.
template <class Config>
std::pair<Window, PlacedWindow> PlaceWindow(Config config, const Shape& input) {
  FieldErrors::Root ignored;  // It was checked when the graph was built.
  const Window window = ResolveWindow(config, ignored.scope());
  return {window, window.Place(input)};
}

std::vector<int64_t> PadsOf(const PlacedWindow& placed) {
  return {placed.padding_begin[0], placed.padding_begin[1], placed.padding_end[0], placed.padding_end[1]};
}

// For each window of an axis: its length over how many of its values count.
std::vector<float> Corrections(const Window& window, const PlacedWindow& placed, int axis, int64_t size,
                               bool count_padding) {
  const int64_t before = count_padding ? placed.padding_begin[axis] : 0;
  const int64_t after = count_padding ? placed.padding_end[axis] - placed.overhang[axis] : 0;
  std::vector<float> factors;
  for (int64_t i = 0; i < placed.output[axis]; ++i) {
    const int64_t begin = i * window.stride[axis] - placed.padding_begin[axis];
    const int64_t counted = std::min(begin + window.kernel[axis], size + after) - std::max(begin, -before);
    factors.push_back(static_cast<float>(window.kernel[axis]) / static_cast<float>(std::max<int64_t>(counted, 1)));
  }
  return factors;
}

// The largest value of each region along one axis: the regions' lines side by side, the last one again where a region
// has fewer.
std::string MaxOfRegions(const LayerParts& parts, const RegionRule& rule, int axis, const std::string& x) {
  const int64_t size = parts.node.input_shapes[0][axis + 1], outputs = rule.Outputs(size);
  const int64_t longest = rule.disjoint ? 2 : 3, overlap = rule.disjoint ? 0 : 1;
  std::vector<int32_t> starts(static_cast<size_t>(outputs) + 1);
  const RandomStream random(0, kPoolPurpose, StreamOf(parts.node.name));
  rule.Draw(random, /*step=*/0, /*example=*/0, static_cast<uint32_t>(axis), size, starts.data());
  std::vector<int64_t> lines;
  for (int64_t i = 0; i < outputs; ++i) {
    const int64_t length = starts[i + 1] - starts[i] + overlap;
    for (int64_t k = 0; k < longest; ++k) lines.push_back(starts[i] + std::min(k, length - 1));
  }
  const std::string side_by_side =
      parts.graph.Op("Gather", {x, parts.graph.Ints("lines", lines)}, {{"axis", int64_t{axis + 2}}});
  Shape shape = {parts.node.output[0], axis == 0 ? outputs : parts.node.output[1],
                 axis == 0 ? parts.node.input_shapes[0][2] : outputs};
  shape.insert(shape.begin() + axis + 2, longest);
  return parts.graph.Op("ReduceMax", {parts.graph.Reshape(side_by_side, shape)},
                        {{"axes", std::vector<int64_t>{axis + 3}}, {"keepdims", int64_t{0}}});
}

}  // namespace

std::string MaxPoolForm(const LayerParts& parts) {
  const auto [window, placed] = PlaceWindow(parts.config.max_pool(), parts.node.input_shapes[0]);
  return parts.graph.Op("MaxPool", {parts.inputs[0]},
                        {{"kernel_shape", window.kernel}, {"strides", window.stride}, {"pads", PadsOf(placed)}});
}

// The mean over whole windows, zeros around the image, and then a factor for those that count fewer values.
std::string AvgPoolForm(const LayerParts& parts) {
  GraphWriter& graph = parts.graph;
  const v1::AvgPool& config = parts.config.avg_pool();
  const Shape& input = parts.node.input_shapes[0];
  const auto [window, placed] = PlaceWindow(config, input);
  std::string x = parts.inputs[0];
  const std::vector<int64_t> pads = PadsOf(placed);
  if (pads != std::vector<int64_t>(4, 0)) {
    x = graph.Op("Pad", {x, graph.Ints("pads", {0, 0, pads[0], pads[1], 0, 0, pads[2], pads[3]})});
  }
  const std::string mean = graph.Op("AveragePool", {x}, {{"kernel_shape", window.kernel}, {"strides", window.stride}});
  const auto rows = Corrections(window, placed, 0, input[1], config.count_include_pad());
  const auto columns = Corrections(window, placed, 1, input[2], config.count_include_pad());
  std::vector<float> factors;
  for (const float row : rows) {
    for (const float column : columns) factors.push_back(row * column);
  }
  if (std::all_of(factors.begin(), factors.end(), [](float factor) { return factor == 1; })) return mean;
  return graph.Op("Mul", {mean, graph.Floats("counted", {placed.output[0], placed.output[1]}, factors)});
}

std::string FractionalMaxPoolForm(const LayerParts& parts) {
  const v1::FractionalMaxPool& config = parts.config.fractional_max_pool();
  const RegionRule rule{.sequence = config.sequence(), .disjoint = config.disjoint(), .ratio = config.ratio()};
  return MaxOfRegions(parts, rule, 1, MaxOfRegions(parts, rule, 0, parts.inputs[0]));
}

}  // namespace traind::core::onnx
