// What rules may know of a job before it trains: its spec, its network, its data as the spec names them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/graph/graph.h"
#include "traind/v1/dataset.pb.h"
#include "traind/v1/job.pb.h"

namespace traind::core {

// Immutable, not owning: what it points to outlives it.
struct Facts {
  const Graph* graph = nullptr;        // Never null when a rule sees it.
  int64_t batch = 0;                   // Examples of a minibatch.
  const v1::JobSpec* spec = nullptr;   // Resolved; null: of a network alone.
  const v1::JobSpec* given = nullptr;  // As it was submitted, which fixes change.
  // What the network's outputs are compared with; 0 classes: with numbers.
  std::string dataset = {};
  int64_t classes = 0;
  std::vector<std::string> class_names = {};                    // Empty, or one for each class.
  v1::ElementType element_type = v1::ELEMENT_TYPE_UNSPECIFIED;  // Of the examples as they are stored.
  uint64_t steps_per_epoch = 0;                                 // 0: not known.
  uint64_t total_steps = 0;                                     // 0: not known.
  bool continues = false;  // The weights were trained before: a low first loss is no sign of anything.
};

LayerTraits TraitsOf(const Node& node);
bool IsRelu(const Node& node);
// Whether it and its activation are linear at test time; see LayerTraits::linear.
bool IsLinear(const Node& node);
// Whether a layer looks up token ids, which are names and no numbers: they have no scale, mean or distance.
bool ReadsTokens(const Graph& graph);
// Whether the layer has weights proper.
bool HasWeights(const Node& node);

// For each node whether it normalizes over the minibatch. A batch normalization whose scale and shift `spec` (resolved;
// null: of no job) freezes to the end takes its running statistics instead.
std::vector<bool> NormalizesOverBatch(const Graph& graph, const v1::JobSpec* spec);

// The last layer with weights, whose units differ by their targets even when they start equal; -1: there is none.
int LastWithWeights(const Graph& graph);

// Whether the network has several layers with weights and nothing but what is linear at test time, so that they can do
// no more than one. False where a layer in between has fewer numbers than the input and the output have: that is meant.
bool IsLinear(const Graph& graph);

// What stands behind each node, by its place in the graph.
struct Followers {
  // `spec`, if it is not null, says which batch normalizations are frozen and so are none.
  explicit Followers(const Graph& graph, const v1::JobSpec* spec = nullptr);

  std::vector<bool> relu;  // A relu that is a layer of its own, right behind it.
  // A sum that its output is a term of, perhaps after it was normalized or scaled: the other term, the shortcut of a
  // residual block, makes its units differ.
  std::vector<bool> sum;
  // A batch normalization and nothing else, right behind it, before an activation.
  std::vector<bool> batch_norm;
};

// For sentences: the class's name in quotes, else its number.
std::string NameOfClass(const Facts& facts, int64_t label);

// The loss takes a softmax of the outputs. False where the loss is not known.
bool LossHasSoftmax(const Facts& facts);

}  // namespace traind::core
