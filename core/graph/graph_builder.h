// How Graph::Build works: it goes through the layers in an order in which each comes after what it reads, makes a node
// of each plain one and expands a block where it meets it, when the shape of the block's input is known. A violation is
// reported where the user wrote it: a layer that a block made reports at the block.
//
// Used once, by one thread.
#pragma once

#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "core/graph/graph.h"
#include "core/kinds/block.h"
#include "traind/v1/network.pb.h"

namespace traind::core {

class GraphBuilder {
 public:
  static constexpr int kUnknown = -2;  // In place of a node's index: there was a violation.
  static constexpr int kMaxLayers = 10000;
  static constexpr int64_t kMaxElements = int64_t{1} << 31;  // Of a layer's input or output.

  // `input` is null where the network's input shape is wrong; it outlives the builder.
  GraphBuilder(const Shape* input, const GroupPenalties& network_penalties, int residual_blocks)
      : input_(input), network_penalties_(network_penalties), residual_blocks_(residual_blocks) {}

  // Adds the network's layers, those of `errors`' field "layers". Returns the node of the last one.
  int AddNetwork(LayerList& layers, const FieldErrors& errors);
  // The same for layers that a preset made; `errors` is the preset's scope.
  int AddPreset(std::vector<v1::Layer> layers, const FieldErrors& errors);

  std::vector<Node>& nodes() { return nodes_; }
  // The plain layers, in the order of the nodes, and whether that is not just what the user wrote.
  LayerList& expanded() { return expanded_; }
  bool has_blocks() const { return has_blocks_; }

 private:
  class Expansion;
  // Where layers stand.
  struct List {
    std::string prefix;                // Of their names: empty, or "<block>.".
    int input = Node::kNetworkInput;   // The node that "input" names.
    const v1::Layer* block = nullptr;  // The block whose regularizers they inherit.
    int depth = 0;
  };
  // What the layers of one list read, by their index in it, or kNetworkInput for the list's input.
  struct Reads {
    std::vector<std::vector<int>> inputs;
    std::vector<bool> known;  // False where the inputs are wrong.
    std::vector<bool> named;  // False where the name is wrong.
  };

  static Reads ResolveInputs(const LayerList& layers, const FieldErrors& errors);
  static std::vector<int> Order(const Reads& reads, const FieldErrors& errors);
  int AddList(LayerList& layers, const FieldErrors& errors, const List& list);
  int AddLayer(v1::Layer& layer, const FieldErrors& errors, const std::vector<int>& inputs, const List& list);
  int AddPlain(v1::Layer& layer, const FieldErrors& errors, const std::vector<int>& inputs, const List& list);
  int AddBlock(v1::Layer& layer, const FieldErrors& errors, const std::vector<int>& inputs, const List& list);
  // A layer that the user did not write: its violations go to `errors` itself, with the layer's name.
  int AddMade(v1::Layer& layer, const FieldErrors& errors, const std::vector<int>& inputs, const List& list);
  bool TakeName(const std::string& name, const FieldErrors& errors);
  bool MakeNode(v1::Layer& layer, const FieldErrors& errors, Node& node) const;
  const Shape* ShapeOf(int node) const;

  const Shape* const input_;
  const GroupPenalties network_penalties_;
  const int residual_blocks_;
  absl::flat_hash_set<std::string> names_;
  std::vector<Node> nodes_;
  LayerList expanded_;
  bool has_blocks_ = false;
  bool full_ = false;  // More than kMaxLayers, which was reported.
};

// The residual blocks among these layers and inside of them; `depth` is that of the blocks around them.
int CountResidualBlocks(const LayerList& layers, int depth = 0);

// The sum of the penalties, with their defaults filled in; `errors` is the scope of the field "regularizers".
GroupPenalties SumOf(google::protobuf::RepeatedPtrField<v1::Regularizer>& regularizers, const FieldErrors& errors);

}  // namespace traind::core
