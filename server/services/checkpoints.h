// The checkpoints of jobs, as the API shows them. Thread-safe; everything given to it outlives it; reads files.
#pragma once

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/jobs/job_manager.h"
#include "server/store/data_folder.h"
#include "server/store/job_store.h"
#include "traind/v1/checkpoint.pb.h"
#include "traind/v1/model_service.pb.h"

namespace traind::server {

class Checkpoints {
 public:
  // Says whether something uses the checkpoint "jobs/{id}/checkpoints/{step}": FAILED_PRECONDITION.
  using CheckUnused = std::function<absl::Status(const std::string& name)>;

  Checkpoints(DataFolder* folder, JobStore* store, JobManager* jobs) : folder_(folder), store_(store), jobs_(jobs) {}

  // `name` may end with "latest" or "best". NOT_FOUND.
  absl::StatusOr<v1::Checkpoint> Get(const std::string& name) const;
  absl::StatusOr<v1::ListCheckpointsResponse> List(const v1::ListCheckpointsRequest& request) const;
  // FAILED_PRECONDITION: a job that is not terminal needs it. When it was the best one so far, "best" stands for none
  // from then on, until a better one is evaluated: the error of who asks for it says so.
  absl::Status Delete(const v1::DeleteCheckpointRequest& request, const CheckUnused& check) const;

 private:
  DataFolder* const folder_;
  JobStore* const store_;
  JobManager* const jobs_;
};

}  // namespace traind::server
