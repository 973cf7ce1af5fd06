// DatasetService on the data folder. Thread-safe; everything given to it outlives it.
#pragma once

#include <grpcpp/grpcpp.h>

#include <string>
#include <utility>
#include <vector>

#include "server/rpc/call_context.h"
#include "server/services/backend.h"
#include "server/services/datasets.h"
#include "server/store/upload_store.h"
#include "traind/v1/dataset_service.grpc.pb.h"

namespace traind::server {

class DatasetService final : public v1::DatasetService::CallbackService {
 public:
  DatasetService(const Backend& backend, std::vector<std::string> dataset_roots)
      : backend_(backend),
        dataset_roots_(std::move(dataset_roots)),
        uploads_(backend.folder),
        datasets_(backend.folder, backend.jobs) {}

  // Knows which uploads are being written.
  UploadStore* uploads() { return &uploads_; }

  grpc::ServerUnaryReactor* ImportDataset(grpc::CallbackServerContext* context, const v1::ImportDatasetRequest* request,
                                          v1::Operation* response) override;
  grpc::ServerReadReactor<v1::UploadDatasetRequest>* UploadDataset(grpc::CallbackServerContext* context,
                                                                   v1::Upload* response) override;
  grpc::ServerUnaryReactor* GetUpload(grpc::CallbackServerContext* context, const v1::GetUploadRequest* request,
                                      v1::Upload* response) override;
  grpc::ServerUnaryReactor* ListUploads(grpc::CallbackServerContext* context, const v1::ListUploadsRequest* request,
                                        v1::ListUploadsResponse* response) override;
  grpc::ServerUnaryReactor* DeleteUpload(grpc::CallbackServerContext* context, const v1::DeleteUploadRequest* request,
                                         google::protobuf::Empty* response) override;
  grpc::ServerUnaryReactor* GetDataset(grpc::CallbackServerContext* context, const v1::GetDatasetRequest* request,
                                       v1::Dataset* response) override;
  grpc::ServerUnaryReactor* ListDatasets(grpc::CallbackServerContext* context, const v1::ListDatasetsRequest* request,
                                         v1::ListDatasetsResponse* response) override;
  grpc::ServerUnaryReactor* UpdateDataset(grpc::CallbackServerContext* context, const v1::UpdateDatasetRequest* request,
                                          v1::Dataset* response) override;
  grpc::ServerUnaryReactor* DeleteDataset(grpc::CallbackServerContext* context, const v1::DeleteDatasetRequest* request,
                                          google::protobuf::Empty* response) override;
  grpc::ServerUnaryReactor* PreviewDataset(grpc::CallbackServerContext* context,
                                           const v1::PreviewDatasetRequest* request,
                                           v1::PreviewDatasetResponse* response) override;
  grpc::ServerUnaryReactor* DescribeDataset(grpc::CallbackServerContext* context,
                                            const v1::DescribeDatasetRequest* request,
                                            v1::Operation* response) override;

 private:
  absl::Status Preview(const v1::PreviewDatasetRequest& request, CallContext& call,
                       v1::PreviewDatasetResponse* response);
  absl::StatusOr<std::unique_ptr<UploadSink>> Begin(const v1::UploadHeader& header, const std::string& user);
  absl::StatusOr<OperationManager::NewOperation> AdmitDescription(const v1::DescribeDatasetRequest& request) const;
  absl::StatusOr<v1::ListUploadsResponse> List(const v1::ListUploadsRequest& request, const Caller& caller) const;

  const Backend backend_;
  const std::vector<std::string> dataset_roots_;
  UploadStore uploads_;
  Datasets datasets_;
};

}  // namespace traind::server
