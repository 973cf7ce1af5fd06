// What a sweep's trials train, and whether a new sweep can be taken. Thread-safe as the jobs are.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/errors.h"
#include "core/base/stop_check.h"
#include "google/protobuf/repeated_field.h"
#include "server/sweeps/trial_jobs.h"
#include "traind/v1/sweep_service.pb.h"

namespace traind::server {

// What trial `number` of the sweep trains: the base with these values, and with the labels of the sweep.
// INVALID_ARGUMENT: a value does not fit its path, or changes the name of another resource.
absl::StatusOr<v1::JobSpec> TrialSpec(const v1::Sweep& sweep, uint32_t number,
                                      const google::protobuf::RepeatedPtrField<v1::Assignment>& assignments);

// Checks everything about a new sweep, with every violation at once, each at the field of the request that causes it:
// the base with every value of every choice and with both ends of every range. `stop` ends it. The sweep has its spec
// with the defaults filled in, dataset, warnings, owner, display_name and labels; the name only if it was asked for.
absl::StatusOr<v1::Sweep> AdmitSweep(const v1::CreateSweepRequest& request, const std::string& owner, TrialJobs& jobs,
                                     const core::StopCheck& stop);

// Violations of `errors` where the assignments are not one value for each parameter, within the space.
void CheckAssignments(const v1::SweepSpec& spec, const google::protobuf::RepeatedPtrField<v1::Assignment>& assignments,
                      const core::FieldErrors& errors);

}  // namespace traind::server
