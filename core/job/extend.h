// More to train for a job that has ended: what ExtendJob means. Pure; touches no file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "traind/v1/checkpoint.pb.h"
#include "traind/v1/job.pb.h"
#include "traind/v1/training_service.pb.h"

namespace traind::core {

struct ExtendedJob {
  v1::JobSpec spec;           // As submitted, with the new length.
  v1::JobSpec resolved_spec;  // The same of the resolved one.
  uint64_t total_steps = 0;
  // Of a schedule that spans the whole job: its rates at the seam. Of swa, where one longer job would have begun later.
  std::vector<std::string> warnings = {};
};

// `job` has spec, resolved_spec and progress.steps_per_epoch; `newest` is the manifest of the checkpoint from which it
// goes on. The new length is in the unit of the request. INVALID_ARGUMENT, with a BadRequest over the fields of
// `request`: it has no length, or one that is not more than the job has trained. FAILED_PRECONDITION: the job has a
// lottery_ticket; or early stopping has ended it, as it would have ended one longer job at the same step.
absl::StatusOr<ExtendedJob> ExtendSpec(const v1::Job& job, const v1::ExtendJobRequest& request,
                                       const v1::CheckpointManifest& newest);

}  // namespace traind::core
