// How long a job trains. Pure functions of its resolved spec.
#pragma once

#include <cstdint>

#include "traind/v1/job.pb.h"

namespace traind::core {

// Steps of one round; the whole job where there is no lottery_ticket.
inline uint64_t RoundSteps(const v1::JobSpec& spec, uint64_t steps_per_epoch) {
  return spec.duration_case() == v1::JobSpec::kSteps ? spec.steps() : spec.epochs() * steps_per_epoch;
}

// Steps of the whole job. The check of the spec has made sure that they can be counted.
inline uint64_t TotalSteps(const v1::JobSpec& spec, uint64_t steps_per_epoch) {
  return RoundSteps(spec, steps_per_epoch) * (uint64_t{spec.lottery_ticket().rounds()} + 1);
}

}  // namespace traind::core
