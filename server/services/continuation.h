// Jobs that go on from where a job stands: what the requests to extend and to fork come to. Thread-safe as the folder
// and the store are; reads files.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "core/base/stop_check.h"
#include "server/jobs/job_manager.h"
#include "server/store/data_folder.h"
#include "server/store/job_store.h"
#include "traind/v1/training_service.pb.h"

namespace traind::server {

// The job as it is with more training: specs, totals and warnings.
absl::StatusOr<v1::Job> ExtendedJob(v1::Job job, const v1::ExtendJobRequest& request, const DataFolder& folder);

// A new job, checked as one of CreateJob is, with the checkpoint that it begins with. NOT_FOUND: the job or the
// checkpoint. FAILED_PRECONDITION: the job has no checkpoint (for "best": none that was evaluated) yet.
absl::StatusOr<JobManager::NewJob> AdmitFork(const v1::ForkJobRequest& request, JobStore& store,
                                             const DataFolder& folder, uint32_t max_threads, uint32_t default_threads,
                                             const core::StopCheck& stop);

}  // namespace traind::server
