// What an optimizer that wants the whole training split in each step (lbfgs) asks of a job. Pure; thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/errors.h"
#include "core/graph/graph.h"
#include "core/kinds/optimizer.h"
#include "traind/v1/job.pb.h"

namespace traind::core {

// A step must take all `examples` of the training split. `errors` is the scope of the spec, which is resolved.
void CheckFullBatch(const v1::JobSpec& spec, const Optimizer& optimizer, int64_t examples, const FieldErrors& errors);

// One warning of what makes the gradient another one in each step though the weights are the same. `spec` is resolved.
void WarnOfNoise(const v1::JobSpec& spec, const Graph& graph, std::vector<std::string>& warnings);

}  // namespace traind::core
