// The rules over single tensors of a job (ParameterRule): their values, and whether they fit the network. Pure;
// thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/errors.h"
#include "core/graph/graph.h"
#include "traind/v1/job.pb.h"

namespace traind::core {

// The warning of a job that freezes tensors with nothing to begin them with, which a fork has.
inline constexpr char kFrozenAtRandom[] =
    "parameter_rules freeze tensors of a network that begins with random weights: they stay random; say "
    "initial_weights or network.from";

// Checks each rule by itself and with the optimizer, which has its defaults; what is in epochs becomes steps, unless
// `steps_per_epoch` is 0. Violations go to `errors`, the scope of the spec.
void ResolveParameterRules(v1::JobSpec& spec, uint64_t steps_per_epoch, const FieldErrors& errors);

// A pattern decides something, and something is trained in every step. `spec` is resolved.
void CheckParameterRules(const v1::JobSpec& spec, const Graph& graph, const FieldErrors& errors);

// What they allow but a person should know, and what they freeze. `total_steps` of the job, 0 where it has none.
void WarnOfParameterRules(const v1::JobSpec& spec, const Graph& graph, uint64_t total_steps,
                          std::vector<std::string>& warnings);

}  // namespace traind::core
