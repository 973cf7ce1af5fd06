#include "server/services/model_service.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "core/checkpoint/checkpoint_dir.h"
#include "server/resources/names.h"
#include "server/rpc/unary_call.h"
#include "server/rpc/upload_call.h"
#include "server/services/download_call.h"
#include "server/services/ensembles.h"
#include "server/services/export_call.h"
#include "server/services/inference.h"
#include "server/services/read_predictions_call.h"

namespace traind::server {

grpc::ServerUnaryReactor* ModelService::GetCheckpoint(grpc::CallbackServerContext* context,
                                                      const v1::GetCheckpointRequest* request,
                                                      v1::Checkpoint* response) {
  return AnswerOn(*backend_.quick, context, *request, [this, request, response](CallContext&) {
    return Give(checkpoints_.Get(request->name()), response);
  });
}

grpc::ServerUnaryReactor* ModelService::ListCheckpoints(grpc::CallbackServerContext* context,
                                                        const v1::ListCheckpointsRequest* request,
                                                        v1::ListCheckpointsResponse* response) {
  return AnswerOn(*backend_.quick, context, *request,
                  [this, request, response](CallContext&) { return Give(checkpoints_.List(*request), response); });
}

grpc::ServerUnaryReactor* ModelService::DeleteCheckpoint(grpc::CallbackServerContext* context,
                                                         const v1::DeleteCheckpointRequest* request,
                                                         google::protobuf::Empty*) {
  return AnswerOn(*backend_.removing, context, *request, [this, request](CallContext&) {
    return checkpoints_.Delete(*request, [this](const std::string& name) { return CheckUnused(backend_, name); });
  });
}

grpc::ServerWriteReactor<v1::DownloadCheckpointResponse>* ModelService::DownloadCheckpoint(
    grpc::CallbackServerContext* context, const v1::DownloadCheckpointRequest* request) {
  return Download(*backend_.files, *backend_.folder, context, *request);
}

grpc::ServerWriteReactor<v1::ExportModelResponse>* ModelService::ExportModel(grpc::CallbackServerContext* context,
                                                                             const v1::ExportModelRequest* request) {
  return Export(backend_, context, *request);
}

grpc::ServerReadReactor<v1::UploadModelRequest>* ModelService::UploadModel(grpc::CallbackServerContext* context,
                                                                           v1::Model* response) {
  return new UploadCall<v1::UploadModelRequest, v1::UploadModelHeader>(
      *backend_.files, context,
      [this, response](CallContext& call,
                       const v1::UploadModelHeader& header) -> absl::StatusOr<std::unique_ptr<UploadSink>> {
        absl::Status room = backend_.bytes->CheckRoom(call.caller().user, QuotaKind::kModels, header.size_bytes());
        if (!room.ok()) return room;
        return models_.Upload(header, call.caller(), response);
      },
      [] { return absl::OkStatus(); });
}

grpc::ServerUnaryReactor* ModelService::GetModel(grpc::CallbackServerContext* context,
                                                 const v1::GetModelRequest* request, v1::Model* response) {
  return AnswerOn(*backend_.quick, context, *request, [this, request, response](CallContext&) -> absl::Status {
    auto id = ParseName("models", request->name(), "name");
    return id.ok() ? Give(models_.Get(*id), response) : id.status();
  });
}

grpc::ServerUnaryReactor* ModelService::ListModels(grpc::CallbackServerContext* context,
                                                   const v1::ListModelsRequest* request,
                                                   v1::ListModelsResponse* response) {
  return AnswerOn(*backend_.quick, context, *request, [this, request, response](CallContext& call) {
    return Give(models_.List(*request, call.caller()), response);
  });
}

grpc::ServerUnaryReactor* ModelService::UpdateModel(grpc::CallbackServerContext* context,
                                                    const v1::UpdateModelRequest* request, v1::Model* response) {
  return AnswerOn(*backend_.quick, context, *request,
                  [this, request, response](CallContext&) { return Give(models_.Update(*request), response); });
}

grpc::ServerUnaryReactor* ModelService::DeleteModel(grpc::CallbackServerContext* context,
                                                    const v1::DeleteModelRequest* request, google::protobuf::Empty*) {
  return AnswerOn(*backend_.removing, context, *request, [this, request](CallContext&) {
    return models_.Delete(*request, [this](const std::string& name) { return CheckUnused(backend_, name); });
  });
}

grpc::ServerUnaryReactor* ModelService::CreateEnsemble(grpc::CallbackServerContext* context,
                                                       const v1::CreateEnsembleRequest* request, v1::Model* response) {
  return AnswerOn(*backend_.files, context, *request, [this, request, response](CallContext& call) {
    return Give(server::CreateEnsemble(*request, call.caller(), backend_, models_), response);
  });
}

grpc::ServerUnaryReactor* ModelService::Evaluate(grpc::CallbackServerContext* context,
                                                 const v1::EvaluateRequest* request, v1::Operation* response) {
  return AnswerOn(*backend_.files, context, *request, [this, request, response](CallContext& call) {
    const auto admit = [&] { return AdmitEvaluation(*request, backend_); };
    return Give(backend_.operations->Create("Evaluate", *request, admit, call.caller()), response);
  });
}

grpc::ServerUnaryReactor* ModelService::PredictSplit(grpc::CallbackServerContext* context,
                                                     const v1::PredictSplitRequest* request, v1::Operation* response) {
  return AnswerOn(*backend_.files, context, *request, [this, request, response](CallContext& call) {
    const auto admit = [&] { return AdmitPredictSplit(*request, backend_); };
    return Give(backend_.operations->Create("PredictSplit", *request, admit, call.caller()), response);
  });
}

grpc::ServerWriteReactor<v1::PredictResponse>* ModelService::ReadPredictions(
    grpc::CallbackServerContext* context, const v1::ReadPredictionsRequest* request) {
  return server::ReadPredictions(backend_, context, *request);
}

grpc::ServerUnaryReactor* ModelService::Predict(grpc::CallbackServerContext* context, const v1::PredictRequest* request,
                                                v1::PredictResponse* response) {
  return AnswerOn(*backend_.asking, context, *request, [this, request, response](CallContext& call) -> absl::Status {
    auto prediction = AdmitPrediction(*request, backend_);
    if (!prediction.ok()) return prediction.status();
    auto result = backend_.tasks->Run(prediction->memory_bytes, std::move(prediction->task), call);
    if (!result.ok()) return result.status();
    *response = std::move(*result->mutable_predict());
    return absl::OkStatus();
  });
}

}  // namespace traind::server
