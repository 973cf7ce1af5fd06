// From a request to use a trained model to the work that it asks for: all that can be checked before a worker starts.
// Thread-safe; looks into the store and the data folder.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "server/services/backend.h"
#include "traind/v1/job.pb.h"
#include "traind/v1/model_service.pb.h"

namespace traind::server {

// Weights with the network they belong to.
struct Trained {
  std::string name;  // Of the weights: "jobs/{id}/checkpoints/{step}" with the step's number, or "models/{id}".
  std::string weights_path;
  std::string preprocessing_path;  // Empty: there is nothing to learn.
  v1::JobSpec spec;                // Resolved.
  int64_t memory_bound_bytes = 0;
  v1::Job job = {};                                           // Whose network it is.
  std::optional<v1::DataIdentity> trained_on = std::nullopt;  // Nullopt: not known.
};

// Errors as AdmitPrediction; reads every byte of the weights.
absl::StatusOr<Trained> FindTrained(const v1::ModelRef& ref, const Backend& backend);

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
