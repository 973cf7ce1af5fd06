#include "server/services/inference.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/errors.h"
#include "core/checkpoint/checkpoint_dir.h"
#include "core/data/dataset_dir.h"
#include "core/job/data_identity.h"
#include "core/job/resolve_inference.h"
#include "google/protobuf/util/time_util.h"
#include "server/resources/names.h"
#include "server/services/admission.h"
#include "server/services/weights.h"

namespace traind::server {
namespace {

std::optional<v1::DataIdentity> IdentityOf(const v1::Job& job, const DataFolder& folder) {
  auto dataset = core::LoadDataset(folder.Item("datasets", IdOf(job.resolved_spec().data().dataset())));
  if (!dataset.ok()) return core::IdentityOf(job, nullptr);
  dataset->set_name(job.resolved_spec().data().dataset());
  return core::IdentityOf(job, &*dataset);
}

}  // namespace

absl::StatusOr<Trained> FindTrained(const v1::ModelRef& ref, const Backend& backend) {
  auto weights = FindSoundWeights(*backend.folder, ref.model(), /*allow_job=*/false, "model.model");
  if (!weights.ok()) return weights.status();
  if (weights->job.empty() && ref.job().empty()) {
    return FieldError("model.job", "is required for an uploaded model: its network and preprocessing are the job's");
  }
  Trained trained{.name = weights->name,
                  .weights_path = weights->path,
                  .preprocessing_path = weights->preprocessing_path,
                  .spec = std::move(weights->spec)};
  std::string job_id = weights->job;
  if (!ref.job().empty()) {
    auto id = ParseName("jobs", ref.job(), "model.job");
    if (!id.ok()) return id.status();
    job_id = *std::move(id);
  }
  auto job = backend.store->GetJob(job_id);
  if (!job.ok()) return job.status();
  trained.memory_bound_bytes = job->job.memory_bound_bytes();
  trained.job = std::move(job->job);
  trained.trained_on = weights->trained_on;
  if (!trained.trained_on.has_value()) trained.trained_on = IdentityOf(trained.job, *backend.folder);
  if (job_id == weights->job) return trained;
  // The network of one job with the weights of another, or of a model: preprocessing goes with the network.
  trained.spec = trained.job.resolved_spec();
  trained.preprocessing_path.clear();
  if (trained.spec.data().preprocessing_size() == 0) return trained;
  auto fitted = core::FindCheckpoint(backend.folder->CheckpointDir(job_id), "latest");
  if (absl::IsNotFound(fitted.status())) {
    return absl::FailedPreconditionError(
        absl::StrCat(ref.job(), " has no checkpoint yet, and so no fitted preprocessing"));
  }
  if (!fitted.ok()) return fitted.status();
  trained.preprocessing_path = fitted->preprocessing_path();
  return trained;
}

namespace {

// FAILED_PRECONDITION: the dataset is read because it has the name of the job's, but it is another one.
absl::Status CheckUnchanged(const Trained& trained, const v1::Dataset& dataset) {
  const bool known = trained.trained_on.has_value() && trained.trained_on->dataset() == dataset.name();
  std::string how = known ? core::DifferenceOf(*trained.trained_on, dataset) : "";
  if (!trained.trained_on.has_value() && trained.job.create_time() < dataset.create_time()) {
    how = "it was imported after the job was created";
  }
  if (how.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(dataset.name(), " is not the dataset that ", trained.job.name(), " was trained on: ", how,
                   "; to use the new one say so by its name (--dataset ", IdOf(dataset.name()), ")"));
}

// How the model reads the dataset: what a person should know. `field` names the dataset.
std::vector<std::string> Match(const Trained& trained, const v1::Dataset& dataset, const core::FieldErrors& field) {
  if (trained.trained_on.has_value()) {
    return core::MatchData(*trained.trained_on, dataset, trained.spec.data().targets(), field).notes;
  }
  return {absl::StrCat("what ", trained.job.name(), " was trained on is not known: it was accepted before version 0.3 ",
                       "and its dataset is gone; the labels of ", dataset.name(),
                       " are taken for its classes by number")};
}

// An operation on the weights that reads the dataset.
OperationManager::NewOperation NewOperationOf(const Trained& trained, const v1::Dataset& dataset,
                                              std::vector<std::string> notes, const DataFolder& folder) {
  OperationManager::NewOperation operation;
  operation.target = trained.name;
  operation.uses = {trained.name, dataset.name()};
  operation.memory_bytes = trained.memory_bound_bytes;
  operation.task.set_dataset_dir(absl::StrCat(folder.path(), "/", dataset.name()));
  operation.task.set_weights_path(trained.weights_path);
  operation.warnings = std::move(notes);
  return operation;
}

}  // namespace

absl::StatusOr<OperationManager::NewOperation> AdmitEvaluation(const v1::EvaluateRequest& request,
                                                               const Backend& backend) {
  auto trained = FindTrained(request.model(), backend);
  if (!trained.ok()) return trained.status();
  core::FieldErrors::Root errors;
  const auto dataset =
      FindDataset(*backend.folder, core::DatasetOf(request, trained->spec), errors.scope("data").At("dataset"));
  const bool named = !request.data().dataset().empty();
  if (dataset.has_value() && !named) {
    if (absl::Status same = CheckUnchanged(*trained, *dataset); !same.ok()) return same;
  }
  v1::JobSpec spec =
      core::ResolveEvaluation(request, trained->spec, dataset.has_value() ? &*dataset : nullptr, errors.scope());
  if (!errors.ok()) return errors.ToStatus();
  std::vector<std::string> notes = Match(*trained, *dataset, errors.scope("data").At("dataset"));
  if (!errors.ok()) return errors.ToStatus();
  auto operation = NewOperationOf(*trained, *dataset, std::move(notes), *backend.folder);
  operation.task.mutable_evaluate()->set_preprocessing_path(trained->preprocessing_path);
  if (trained->trained_on.has_value()) *operation.task.mutable_evaluate()->mutable_trained_on() = *trained->trained_on;
  *operation.task.mutable_evaluate()->mutable_spec() = std::move(spec);
  return operation;
}

absl::StatusOr<OperationManager::NewOperation> AdmitPredictSplit(const v1::PredictSplitRequest& request,
                                                                 const Backend& backend) {
  auto trained = FindTrained(request.model(), backend);
  if (!trained.ok()) return trained.status();
  core::FieldErrors::Root errors;
  const auto dataset =
      FindDataset(*backend.folder, core::DatasetOf(request, trained->spec), errors.scope("range").At("dataset"));
  const bool named = !request.range().dataset().empty();
  if (dataset.has_value() && !named) {
    if (absl::Status same = CheckUnchanged(*trained, *dataset); !same.ok()) return same;
  }
  v1::PredictSplitRequest resolved =
      core::ResolvePredictSplit(request, trained->spec, dataset.has_value() ? &*dataset : nullptr, errors.scope());
  if (!errors.ok()) return errors.ToStatus();
  std::vector<std::string> notes = Match(*trained, *dataset, errors.scope("range").At("dataset"));
  if (!errors.ok()) return errors.ToStatus();
  auto operation = NewOperationOf(*trained, *dataset, std::move(notes), *backend.folder);
  internal::PredictTask& predict = *operation.task.mutable_predict();
  predict.set_preprocessing_path(trained->preprocessing_path);
  if (trained->trained_on.has_value()) *predict.mutable_trained_on() = *trained->trained_on;
  *predict.mutable_spec() = std::move(trained->spec);
  *predict.mutable_split() = std::move(resolved);
  return operation;
}

absl::StatusOr<Prediction> AdmitPrediction(const v1::PredictRequest& request, const Backend& backend) {
  auto trained = FindTrained(request.model(), backend);
  if (!trained.ok()) return trained.status();
  core::FieldErrors::Root errors;
  v1::PredictRequest resolved = core::ResolvePrediction(request, trained->spec, errors.scope());
  if (errors.ok() && trained->trained_on.has_value()) {
    core::CheckScale(request.examples(), *trained->trained_on, errors.scope("examples").At("values"));
  }
  if (!errors.ok()) return errors.ToStatus();
  Prediction prediction{.memory_bytes = trained->memory_bound_bytes};
  prediction.task.set_weights_path(trained->weights_path);
  prediction.task.set_threads(backend.jobs->capacity().threads);
  internal::PredictTask& predict = *prediction.task.mutable_predict();
  predict.set_preprocessing_path(trained->preprocessing_path);
  *predict.mutable_spec() = std::move(trained->spec);
  *predict.mutable_request() = std::move(resolved);
  return prediction;
}

}  // namespace traind::server
