// From a request to use a trained model to the work that it asks for: all that can be checked before a worker starts.
// Thread-safe; looks into the store and the data folder.
#pragma once

#include "absl/status/statusor.h"
#include "server/services/backend.h"
#include "traind/v1/model_service.pb.h"

namespace traind::server {

// INVALID_ARGUMENT, with all violations at once. NOT_FOUND: the weights or their job. FAILED_PRECONDITION: the job has
// no checkpoint yet, and so no fitted preprocessing; or the request names no dataset, and under the name of the job's
// there is another one now.
absl::StatusOr<OperationManager::NewOperation> AdmitEvaluation(const v1::EvaluateRequest& request,
                                                               const Backend& backend);
absl::StatusOr<OperationManager::NewOperation> AdmitPredictSplit(const v1::PredictSplitRequest& request,
                                                                 const Backend& backend);

// A prediction that is made while the caller waits.
struct Prediction {
  internal::Task task = {};
  int64_t memory_bytes = 0;
};
absl::StatusOr<Prediction> AdmitPrediction(const v1::PredictRequest& request, const Backend& backend);

}  // namespace traind::server
