// What ParameterRule makes of the tensors of a network. Pure; thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/graph/graph.h"
#include "traind/v1/job.pb.h"

namespace traind::core {

// How one tensor is trained.
struct ParameterTreatment {
  double learning_rate_factor = 1;  // On the optimizer's rate, beside ParameterSpec::learning_rate_factor.
  double weight_decay_multiplier = 1;
  std::optional<double> weight_decay = {};          // In place of the optimizer's, whatever the tensor is.
  std::optional<double> coupled_weight_decay = {};  // The same.
  bool frozen = false;
  uint64_t unfreeze_after_steps = 0;  // 0: never.

  // In the step after `steps`.
  bool FrozenAfter(uint64_t steps) const {
    return frozen && (unfreeze_after_steps == 0 || steps < unfreeze_after_steps);
  }
};

// For each node how many layers with weights proper stand behind it on the longest way to the output: ParameterRule's
// depth.
std::vector<int> LayerDepths(const Graph& graph);

// For each tensor, trained or not, in the order of the graph, the index of the first rule whose pattern matches it; -1:
// none does, or it is not trained.
std::vector<int> DecidingRules(const Graph& graph, const v1::JobSpec& spec);

// For each tensor in the order of the graph; empty without rules. Lengths are in steps.
std::vector<ParameterTreatment> TreatmentsOf(const Graph& graph, const v1::JobSpec& spec);

// The steps after which tensors are no longer frozen, ascending, each once.
std::vector<uint64_t> UnfreezeSteps(const v1::JobSpec& spec);

}  // namespace traind::core
