#include "server/services/model_service.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/errors.h"
#include "core/checkpoint/checkpoint_dir.h"
#include "core/job/resolve_inference.h"
#include "server/resources/names.h"
#include "server/rpc/unary_call.h"
#include "server/rpc/upload_call.h"
#include "server/services/admission.h"
#include "server/services/download_call.h"
#include "server/services/weights.h"

namespace traind::server {

grpc::ServerUnaryReactor* ModelService::GetCheckpoint(grpc::CallbackServerContext* context,
                                                      const v1::GetCheckpointRequest* request,
                                                      v1::Checkpoint* response) {
  return AnswerOn(*backend_.quick, context, [this, request, response](CallContext&) {
    return Give(checkpoints_.Get(request->name()), response);
  });
}

grpc::ServerUnaryReactor* ModelService::ListCheckpoints(grpc::CallbackServerContext* context,
                                                        const v1::ListCheckpointsRequest* request,
                                                        v1::ListCheckpointsResponse* response) {
  return AnswerOn(*backend_.quick, context,
                  [this, request, response](CallContext&) { return Give(checkpoints_.List(*request), response); });
}

grpc::ServerUnaryReactor* ModelService::DeleteCheckpoint(grpc::CallbackServerContext* context,
                                                         const v1::DeleteCheckpointRequest* request,
                                                         google::protobuf::Empty*) {
  return AnswerOn(*backend_.slow, context, [this, request](CallContext&) {
    return checkpoints_.Delete(*request, [this](const std::string& name) { return CheckUnused(backend_, name); });
  });
}

grpc::ServerWriteReactor<v1::DownloadCheckpointResponse>* ModelService::DownloadCheckpoint(
    grpc::CallbackServerContext* context, const v1::DownloadCheckpointRequest* request) {
  return Download(*backend_.slow, *backend_.folder, context, *request);
}

grpc::ServerReadReactor<v1::UploadModelRequest>* ModelService::UploadModel(grpc::CallbackServerContext* context,
                                                                           v1::Model* response) {
  return new UploadCall<v1::UploadModelRequest, v1::UploadModelHeader>(
      *backend_.slow, context,
      [this, response](CallContext&, const v1::UploadModelHeader& header) { return models_.Upload(header, response); },
      [] { return absl::OkStatus(); });
}

grpc::ServerUnaryReactor* ModelService::GetModel(grpc::CallbackServerContext* context,
                                                 const v1::GetModelRequest* request, v1::Model* response) {
  return AnswerOn(*backend_.quick, context, [this, request, response](CallContext&) -> absl::Status {
    auto id = ParseName("models", request->name(), "name");
    return id.ok() ? Give(models_.Get(*id), response) : id.status();
  });
}

grpc::ServerUnaryReactor* ModelService::ListModels(grpc::CallbackServerContext* context,
                                                   const v1::ListModelsRequest* request,
                                                   v1::ListModelsResponse* response) {
  return AnswerOn(*backend_.quick, context,
                  [this, request, response](CallContext&) { return Give(models_.List(*request), response); });
}

grpc::ServerUnaryReactor* ModelService::UpdateModel(grpc::CallbackServerContext* context,
                                                    const v1::UpdateModelRequest* request, v1::Model* response) {
  return AnswerOn(*backend_.quick, context,
                  [this, request, response](CallContext&) { return Give(models_.Update(*request), response); });
}

grpc::ServerUnaryReactor* ModelService::DeleteModel(grpc::CallbackServerContext* context,
                                                    const v1::DeleteModelRequest* request, google::protobuf::Empty*) {
  return AnswerOn(*backend_.slow, context, [this, request](CallContext&) {
    return models_.Delete(*request, [this](const std::string& name) { return CheckUnused(backend_, name); });
  });
}

absl::StatusOr<ModelService::Trained> ModelService::FindTrained(const v1::ModelRef& ref) const {
  auto weights = FindWeights(*backend_.folder, ref.model(), /*allow_job=*/false, "model.model");
  if (!weights.ok()) return weights.status();
  if (weights->job.empty() && ref.job().empty()) {
    return FieldError("model.job", "is required for an uploaded model: its network and preprocessing are the job's");
  }
  Trained trained{.weights_path = weights->path,
                  .preprocessing_path = weights->preprocessing_path,
                  .spec = std::move(weights->spec)};
  std::string job_id = weights->job;
  if (!ref.job().empty()) {
    auto id = ParseName("jobs", ref.job(), "model.job");
    if (!id.ok()) return id.status();
    job_id = *std::move(id);
  }
  auto job = backend_.store->GetJob(job_id);
  if (!job.ok()) return job.status();
  trained.memory_bound_bytes = job->job.memory_bound_bytes();
  if (job_id == weights->job) return trained;
  // The network of one job with the weights of another, or of a model: preprocessing goes with the network.
  trained.spec = job->job.resolved_spec();
  trained.preprocessing_path.clear();
  if (trained.spec.data().preprocessing_size() == 0) return trained;
  auto fitted = core::FindCheckpoint(backend_.folder->CheckpointDir(job_id), "latest");
  if (absl::IsNotFound(fitted.status())) {
    return absl::FailedPreconditionError(
        absl::StrCat(ref.job(), " has no checkpoint yet, and so no fitted preprocessing"));
  }
  if (!fitted.ok()) return fitted.status();
  trained.preprocessing_path = fitted->preprocessing_path();
  return trained;
}

grpc::ServerUnaryReactor* ModelService::Evaluate(grpc::CallbackServerContext* context,
                                                 const v1::EvaluateRequest* request, v1::EvaluationMetrics* response) {
  return AnswerOn(*backend_.slow, context,
                  [this, request, response](CallContext& call) { return Evaluate(*request, call, response); });
}

absl::Status ModelService::Evaluate(const v1::EvaluateRequest& request, CallContext& call,
                                    v1::EvaluationMetrics* response) const {
  auto trained = FindTrained(request.model());
  if (!trained.ok()) return trained.status();
  core::FieldErrors::Root errors;
  const auto dataset =
      FindDataset(*backend_.folder, core::DatasetOf(request, trained->spec), errors.scope("data").At("dataset"));
  v1::JobSpec spec =
      core::ResolveEvaluation(request, trained->spec, dataset.has_value() ? &*dataset : nullptr, errors.scope());
  if (!errors.ok()) return errors.ToStatus();

  internal::Task task;
  task.set_dataset_dir(absl::StrCat(backend_.folder->path(), "/", dataset->name()));
  task.set_weights_path(trained->weights_path);
  task.set_threads(backend_.jobs->capacity().threads);
  task.mutable_evaluate()->set_preprocessing_path(trained->preprocessing_path);
  *task.mutable_evaluate()->mutable_spec() = std::move(spec);
  auto result = backend_.tasks->Run(trained->memory_bound_bytes, std::move(task), call);
  if (!result.ok()) return result.status();
  *response = std::move(*result->mutable_evaluation());
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* ModelService::Predict(grpc::CallbackServerContext* context, const v1::PredictRequest* request,
                                                v1::PredictResponse* response) {
  return AnswerOn(*backend_.slow, context,
                  [this, request, response](CallContext& call) { return Predict(*request, call, response); });
}

absl::Status ModelService::Predict(const v1::PredictRequest& request, CallContext& call,
                                   v1::PredictResponse* response) const {
  auto trained = FindTrained(request.model());
  if (!trained.ok()) return trained.status();
  core::FieldErrors::Root errors;
  std::optional<v1::Dataset> dataset;
  if (request.has_range()) {
    dataset =
        FindDataset(*backend_.folder, core::DatasetOf(request, trained->spec), errors.scope("range").At("dataset"));
  }
  v1::PredictRequest resolved =
      core::ResolvePrediction(request, trained->spec, dataset.has_value() ? &*dataset : nullptr, errors.scope());
  if (!errors.ok()) return errors.ToStatus();

  internal::Task task;
  if (dataset.has_value()) task.set_dataset_dir(absl::StrCat(backend_.folder->path(), "/", dataset->name()));
  task.set_weights_path(trained->weights_path);
  task.set_threads(backend_.jobs->capacity().threads);
  task.mutable_predict()->set_preprocessing_path(trained->preprocessing_path);
  *task.mutable_predict()->mutable_spec() = std::move(trained->spec);
  *task.mutable_predict()->mutable_request() = std::move(resolved);
  auto result = backend_.tasks->Run(trained->memory_bound_bytes, std::move(task), call);
  if (!result.ok()) return result.status();
  *response = std::move(*result->mutable_predict());
  return absl::OkStatus();
}

}  // namespace traind::server
