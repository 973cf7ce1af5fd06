// The data that a job was accepted with, and what stands under its name now. Thread-safe as the folder is.
#pragma once

#include "absl/status/status.h"
#include "server/store/data_folder.h"
#include "traind/v1/job.pb.h"

namespace traind::server {

// FAILED_PRECONDITION: the dataset that the job's spec names is another one than when the job was accepted. OK for one
// that cannot be read: its reader says so.
absl::Status CheckDataOf(const v1::Job& job, const DataFolder& folder);

}  // namespace traind::server
