// What a sweep has found: its best trial as a job file.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "client/cli/context.h"
#include "traind/v1/job.pb.h"
#include "traind/v1/sweep.pb.h"

namespace traind::client {

// The job of `trial`, as it would be submitted by itself: without the labels of the sweep. Of the trial's job, or,
// where that was deleted or clients trained, of the sweep's `base` with the trial's values.
absl::StatusOr<v1::JobSpec> SpecOfTrial(Client& client, const v1::Sweep& sweep, const v1::Trial& trial);

}  // namespace traind::client
