// From a request to use a trained model to the work that it asks for: all that can be checked before a worker starts.
// Thread-safe; looks into the store and the data folder.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/services/backend.h"
#include "traind/v1/job.pb.h"
#include "traind/v1/model_service.pb.h"

namespace traind::server {

// Weights with the network they belong to.
struct Trained {
  std::string name;  // Of the weights: "jobs/{id}/checkpoints/{step}" with the step's number, or "models/{id}".
  std::string weights_path;
  v1::CheckpointFile weights_file;  // Size and checksum of them.
  std::string preprocessing_path;   // Empty: there is nothing to learn.
  v1::CheckpointFile preprocessing_file;
  v1::JobSpec spec;  // Resolved.
  int64_t memory_bound_bytes = 0;
  v1::Job job = {};                                           // Whose network it is.
  std::optional<v1::DataIdentity> trained_on = std::nullopt;  // Nullopt: not known.
  std::optional<double> evaluation_loss = std::nullopt;       // Of a checkpoint that was evaluated.
  // Of an ensemble of outputs, the members beside the first. memory_bound_bytes counts them, too.
  std::vector<internal::TaskMember> others = {};
};

// Errors as AdmitPrediction, of the fields below `field`; reads every byte of the weights.
absl::StatusOr<Trained> FindTrained(const v1::ModelRef& ref, const Backend& backend,
                                    const std::string& field = "model");

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
