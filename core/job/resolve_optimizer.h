// What a job's optimizer means in this job: lengths in steps, the rate for its batch size. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/errors.h"
#include "core/graph/graph.h"
#include "traind/v1/job.pb.h"

namespace traind::core {

// Before ResolveOptimizer: lengths in epochs become steps, and those that follow from the job's length are filled in.
// `steps_per_epoch` is 0 when it is not known. The duration and the evaluation of `spec` are resolved. `errors` is the
// scope of the spec.
void ResolveOptimizerLengths(v1::JobSpec& spec, uint64_t steps_per_epoch, const FieldErrors& errors);

// After ResolveOptimizer: learning_rate gets what optimizer.batch_scaling makes of it, which is then cleared. Not while
// batch_size is not known.
void ScaleLearningRate(v1::JobSpec& spec, const FieldErrors& errors);

// What goes with the network: swa has no running statistics to take anew. `errors` is the scope of the spec.
void CheckOptimizer(const v1::JobSpec& spec, const Graph& graph, const FieldErrors& errors);

// What schedule and optimizer allow but a person should know. Both specs are of one job, resolved and as given;
// `examples` are those of the training split.
void WarnOfOptimizer(const v1::JobSpec& spec, const v1::JobSpec& given, int64_t examples,
                     std::vector<std::string>& warnings);

}  // namespace traind::core
