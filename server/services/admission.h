// What the server knows when it checks a request: its datasets and weights, and what it may give to a job.
// Thread-safe as the folder is; reads files.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "core/base/errors.h"
#include "core/base/stop_check.h"
#include "server/jobs/job_manager.h"
#include "server/store/data_folder.h"
#include "traind/v1/dataset.pb.h"
#include "traind/v1/training_service.pb.h"

namespace traind::server {

// The dataset named "datasets/{id}" or "{id}". Without one, a violation of `field` lists those there are, and the
// result is empty.
std::optional<v1::Dataset> FindDataset(const DataFolder& folder, const std::string& name,
                                       const core::FieldErrors& field);

// NOT_FOUND for "datasets/{id}", with the datasets there are.
absl::Status DatasetNotFoundError(const DataFolder& folder, const std::string& name);

// Checks everything about a new job, with every violation at once, and finds out what it needs, which `stop` ends.
// `default_threads` are those of a job that names none; 0: as many as it may have.
absl::StatusOr<JobManager::NewJob> Admit(const v1::CreateJobRequest& request, const DataFolder& folder,
                                         uint32_t max_threads, uint32_t default_threads, const core::StopCheck& stop);

}  // namespace traind::server
