// A network with its parameters, ready to be planned: what training, evaluation, prediction and probing share.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/checkpoint/match_weights.h"
#include "core/graph/graph.h"
#include "core/kinds/loss.h"
#include "core/plan/parameter_store.h"
#include "core/plan/plan.h"
#include "traind/v1/job.pb.h"

namespace traind::core {

// The parts in the order in which they depend on each other. Movable; plans made over it keep pointers into its parts,
// which do not move.
struct Model {
  std::unique_ptr<Graph> graph;
  std::unique_ptr<Loss> loss;  // Null where there is none to compute.
  std::unique_ptr<ParameterStore> store;
};

// Sets the number of OpenMP threads of the process, and checks that this CPU has what `precision` needs
// (FAILED_PRECONDITION).
absl::Status PrepareEngine(uint32_t threads, v1::Precision precision);

// Builds graph and store; the specs are resolved ones, whose violations are a fault (INVALID_ARGUMENT).
// `num_slots` is that of the optimizer; a model that is not trainable has none.
absl::StatusOr<Model> MakeModel(v1::Network network, const v1::Loss* loss, bool trainable, int num_slots);

// Fills the parameters from a safetensors file as `wanted` says: by default each tensor of the network from the one of
// its name and shape. INVALID_ARGUMENT lists the problems of the match. Call after all plans were made. The answer has
// no `sources`: the file is closed.
absl::StatusOr<WeightsMatch> LoadWeights(const std::string& path, ParameterStore& store,
                                         const v1::InitialWeights& wanted = {});

}  // namespace traind::core
