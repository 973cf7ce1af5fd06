// The event file of a job's predictions, for `trainctl export tensorboard --predictions`.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "client/cli/context.h"
#include "traind/v1/job.pb.h"

namespace traind::client {

// INVALID_ARGUMENT: the job is no classifier, or its dataset has no such split; empty: the job's evaluation split.
absl::Status CheckPredicted(const v1::Job& job, const std::string& split);

// Predicts the split with the job's newest checkpoint, with a bar on a terminal, and writes the file `path`, which
// appears, or is replaced, when it is whole. The job is a whole one. Returns the exit code, after it said what is
// wrong.
int ExportPredictions(const Context& context, const v1::Job& job, std::string split, const std::string& path);

}  // namespace traind::client
