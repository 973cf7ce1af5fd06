// How long a job trains. Pure functions of its resolved spec.
#pragma once

#include <algorithm>
#include <cstdint>

#include "traind/v1/job.pb.h"

namespace traind::core {

// Examples of the last minibatch of an epoch over `examples`, where it is smaller than the others and trained on; else
// 0. A resolved spec without last_batch is of a version that dropped it.
inline int64_t LastBatchOf(const v1::JobSpec& spec, int64_t examples) {
  const bool keeps = spec.last_batch() == v1::LAST_BATCH_KEEP && spec.batch_size() > 0;
  return keeps ? examples % spec.batch_size() : 0;
}

// Minibatches of an epoch; 0 while batch_size is at fault.
inline uint64_t MinibatchesPerEpoch(const v1::JobSpec& spec, int64_t examples) {
  if (spec.batch_size() == 0) return 0;
  return static_cast<uint64_t>(examples / spec.batch_size() + (LastBatchOf(spec, examples) > 0 ? 1 : 0));
}

// Minibatches whose gradients one step takes together; fewer in an epoch's last step.
inline uint64_t MinibatchesPerStep(const v1::JobSpec& spec) {
  return std::max(1u, spec.optimizer().accumulate_batches());
}

// Steps of an epoch, which are updates; 0 while batch_size is at fault.
inline uint64_t StepsPerEpoch(const v1::JobSpec& spec, int64_t examples) {
  const uint64_t each = MinibatchesPerStep(spec);
  return (MinibatchesPerEpoch(spec, examples) + each - 1) / each;
}

// Steps of one round; the whole job where there is no lottery_ticket.
inline uint64_t RoundSteps(const v1::JobSpec& spec, uint64_t steps_per_epoch) {
  return spec.duration_case() == v1::JobSpec::kSteps ? spec.steps() : spec.epochs() * steps_per_epoch;
}

// Steps of the whole job. The check of the spec has made sure that they can be counted.
inline uint64_t TotalSteps(const v1::JobSpec& spec, uint64_t steps_per_epoch) {
  return RoundSteps(spec, steps_per_epoch) * (uint64_t{spec.lottery_ticket().rounds()} + 1);
}

}  // namespace traind::core
