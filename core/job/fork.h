// A job that begins with a checkpoint of another one: what ForkJob means. Pure; touches no file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/errors.h"
#include "traind/v1/checkpoint.pb.h"
#include "traind/v1/job.pb.h"

namespace traind::core {

// What of a checkpoint's state goes on in the job that begins with it; the rest begins anew. Weights, step and fitted
// preprocessing always go on.
struct Inherited {
  bool optimizer = true;       // Its state tensors. Anew: with another kind, other tensors, or another average.
  bool augmentation = true;    // What it has learned. Anew: when the list is another one.
  bool observers = true;       // How long units were silent. Anew: with another network, or when nothing was observed.
  bool evaluations = true;     // Which one was best. Anew: with another loss, network, data, test_time or average.
  bool early_stopping = true;  // Anew: with other evaluations, another metric or min_delta.
  bool running = true;         // Sums of running means. Anew: with other evaluations or metrics_every_steps.
  bool plateau = true;         // Of the schedule. Anew: with other evaluations, or where the checkpoint has none.
};

// `spec` of the job and `parent` of the checkpoint's manifest, both resolved; `step` of the checkpoint. Their lengths
// make no difference.
Inherited InheritedBy(const v1::JobSpec& spec, const v1::JobSpec& parent, uint64_t step);

// Checks that a job of this resolved `spec` can begin with the checkpoint `name`, "jobs/{id}/checkpoints/{step}", whose
// manifest this is; and says what a person should know. `steps_per_epoch` is that of the job; violations go to
// `errors`, the scope of the spec.
std::vector<std::string> CheckFork(const v1::JobSpec& spec, uint64_t steps_per_epoch, const std::string& name,
                                   const v1::CheckpointManifest& checkpoint, const FieldErrors& errors);

// The step of another checkpoint of the same job, if one must stand beside this one: restore_best may want its weights.
std::optional<uint64_t> BestStepNeeded(const v1::JobSpec& spec, const v1::CheckpointManifest& checkpoint);

}  // namespace traind::core
