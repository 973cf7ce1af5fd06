// The datasets in the data folder, as the API shows them. Thread-safe; everything given to it outlives it.
#pragma once

#include <functional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "server/jobs/job_manager.h"
#include "server/store/data_folder.h"
#include "traind/v1/dataset.pb.h"
#include "traind/v1/dataset_service.pb.h"

namespace traind::server {

class Datasets {
 public:
  // Says whether something other than a job uses the dataset "datasets/{id}": FAILED_PRECONDITION.
  using CheckUnused = std::function<absl::Status(const std::string& name)>;

  Datasets(DataFolder* folder, JobManager* jobs) : folder_(folder), jobs_(jobs) {}

  absl::StatusOr<v1::Dataset> Get(const std::string& id) const;  // NOT_FOUND, with those there are.
  absl::StatusOr<v1::ListDatasetsResponse> List(const v1::ListDatasetsRequest& request, const Caller& caller) const;
  // NOT_FOUND, ABORTED: another etag.
  absl::StatusOr<v1::Dataset> Update(const v1::UpdateDatasetRequest& request);
  // FAILED_PRECONDITION: a job that is not terminal needs it; or without `force` one that has ended was trained on it.
  absl::Status Delete(const v1::DeleteDatasetRequest& request, const CheckUnused& check);

 private:
  DataFolder* const folder_;
  JobManager* const jobs_;
  absl::Mutex mu_;  // Held while a dataset changes or goes.
};

}  // namespace traind::server
