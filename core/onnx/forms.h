// How each component is said in ONNX's operators, as at test time. Pure but for the graph; a component without a form
// is not exported.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "core/checkpoint/safetensors.h"
#include "core/graph/graph.h"
#include "core/onnx/graph_writer.h"
#include "traind/v1/network.pb.h"
#include "traind/v1/preprocessing.pb.h"

namespace traind::core::onnx {

// A layer, where it goes, and what it reads.
struct LayerParts {
  GraphWriter& graph;
  const Node& node;
  const v1::Layer& config;  // With its defaults filled in.
  const Safetensors& weights;
  std::vector<std::string> inputs;

  // A tensor of the layer, by its own name.
  std::string Weight(absl::string_view name) const {
    return graph.Stored(weights, node.name + "." + std::string(name));
  }
  bool has(absl::string_view name) const { return weights.Find(node.name + "." + std::string(name)) != nullptr; }
};

// Adds a layer, or an activation behind it (which reads `x`), and returns what it gives.
using LayerForm = std::string (*)(const LayerParts& parts);
using ActivationForm = std::string (*)(const LayerParts& parts, const std::string& x);

// By the kind, as Node has it; null: there is no form of it.
LayerForm FindLayerForm(absl::string_view kind);
ActivationForm FindActivationForm(absl::string_view kind);

// Those of layers over positions, which have a file of their own; the first as above.
LayerForm FindSequenceForm(absl::string_view kind);
std::string DenseOverPositions(const LayerParts& parts);
std::string NormOverPositions(const LayerParts& parts);

// Those of pooling, which have a file of their own.
std::string MaxPoolForm(const LayerParts& parts);
std::string AvgPoolForm(const LayerParts& parts);
std::string FractionalMaxPoolForm(const LayerParts& parts);

// What the transforms make of `x`, examples of the shape `shape`, which becomes that of the network's input. `learned`
// may be null where nothing is. DATA_LOSS: it lacks a tensor. UNIMPLEMENTED: a kind without a form.
absl::StatusOr<std::string> Preprocess(GraphWriter& graph,
                                       const google::protobuf::RepeatedPtrField<v1::Preprocessing>& transforms,
                                       const Safetensors* learned, std::string x, Shape& shape);

}  // namespace traind::core::onnx
