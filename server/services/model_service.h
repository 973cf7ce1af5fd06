// ModelService: checkpoints and uploaded weights, taken out, brought in and used. Thread-safe; everything given to it
// outlives it.
#pragma once

#include <grpcpp/grpcpp.h>

#include "server/services/backend.h"
#include "server/services/checkpoints.h"
#include "server/services/models.h"
#include "traind/v1/model_service.grpc.pb.h"

namespace traind::server {

class ModelService final : public v1::ModelService::CallbackService {
 public:
  explicit ModelService(const Backend& backend)
      : backend_(backend),
        checkpoints_(backend.folder, backend.store, backend.jobs),
        models_(backend.folder, backend.store) {}

  grpc::ServerUnaryReactor* GetCheckpoint(grpc::CallbackServerContext* context, const v1::GetCheckpointRequest* request,
                                          v1::Checkpoint* response) override;
  grpc::ServerUnaryReactor* ListCheckpoints(grpc::CallbackServerContext* context,
                                            const v1::ListCheckpointsRequest* request,
                                            v1::ListCheckpointsResponse* response) override;
  grpc::ServerUnaryReactor* DeleteCheckpoint(grpc::CallbackServerContext* context,
                                             const v1::DeleteCheckpointRequest* request,
                                             google::protobuf::Empty* response) override;
  grpc::ServerWriteReactor<v1::DownloadCheckpointResponse>* DownloadCheckpoint(
      grpc::CallbackServerContext* context, const v1::DownloadCheckpointRequest* request) override;
  grpc::ServerWriteReactor<v1::ExportModelResponse>* ExportModel(grpc::CallbackServerContext* context,
                                                                 const v1::ExportModelRequest* request) override;
  grpc::ServerReadReactor<v1::UploadModelRequest>* UploadModel(grpc::CallbackServerContext* context,
                                                               v1::Model* response) override;
  grpc::ServerUnaryReactor* GetModel(grpc::CallbackServerContext* context, const v1::GetModelRequest* request,
                                     v1::Model* response) override;
  grpc::ServerUnaryReactor* ListModels(grpc::CallbackServerContext* context, const v1::ListModelsRequest* request,
                                       v1::ListModelsResponse* response) override;
  grpc::ServerUnaryReactor* UpdateModel(grpc::CallbackServerContext* context, const v1::UpdateModelRequest* request,
                                        v1::Model* response) override;
  grpc::ServerUnaryReactor* DeleteModel(grpc::CallbackServerContext* context, const v1::DeleteModelRequest* request,
                                        google::protobuf::Empty* response) override;
  grpc::ServerUnaryReactor* CreateEnsemble(grpc::CallbackServerContext* context,
                                           const v1::CreateEnsembleRequest* request, v1::Model* response) override;
  grpc::ServerUnaryReactor* Evaluate(grpc::CallbackServerContext* context, const v1::EvaluateRequest* request,
                                     v1::Operation* response) override;
  grpc::ServerUnaryReactor* Predict(grpc::CallbackServerContext* context, const v1::PredictRequest* request,
                                    v1::PredictResponse* response) override;
  grpc::ServerUnaryReactor* PredictSplit(grpc::CallbackServerContext* context, const v1::PredictSplitRequest* request,
                                         v1::Operation* response) override;
  grpc::ServerWriteReactor<v1::PredictResponse>* ReadPredictions(grpc::CallbackServerContext* context,
                                                                 const v1::ReadPredictionsRequest* request) override;

 private:
  const Backend backend_;
  const Checkpoints checkpoints_;
  Models models_;
};

}  // namespace traind::server
