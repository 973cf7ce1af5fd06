#include "client/stub.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/support/sync_stream.h>

#include "absl/strings/str_cat.h"
#include "client/errors.h"
#include "client/loopback.h"
#include "traind/v1/dataset_service.grpc.pb.h"
#include "traind/v1/model_service.grpc.pb.h"
#include "traind/v1/operation.grpc.pb.h"
#include "traind/v1/training_service.grpc.pb.h"

namespace traind::client {
namespace {

absl::Status FromGrpc(const grpc::Status& status) {
  return MakeStatus(status.error_code(), status.error_message(), status.error_details());
}

// Runs one blocking unary call.
template <typename Service, typename Request, typename Response>
absl::StatusOr<Response> Call(Service& service,
                              grpc::Status (Service::*method)(grpc::ClientContext*, const Request&, Response*),
                              const Request& request, absl::Time deadline) {
  grpc::ClientContext context;
  if (deadline != absl::InfiniteFuture()) context.set_deadline(absl::ToChronoTime(deadline));
  Response response;
  const grpc::Status status = (service.*method)(&context, request, &response);
  if (!status.ok()) return FromGrpc(status);
  return response;
}

template <typename Response>
class GrpcReadStream : public ReadStream<Response> {
 public:
  // `open` begins the call with the context it is given.
  template <typename Open>
  explicit GrpcReadStream(Open open) : reader_(open(&context_)) {}
  // A stream that is left early is cancelled, so that the server stops sending.
  ~GrpcReadStream() override {
    if (!finished_) {
      context_.TryCancel();
      reader_->Finish();
    }
  }
  bool Read(Response* response) override { return reader_->Read(response); }
  absl::Status Finish() override {
    finished_ = true;
    return FromGrpc(reader_->Finish());
  }
  void Cancel() override { context_.TryCancel(); }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<Response>> reader_;
  bool finished_ = false;
};

template <typename Request, typename Response>
class GrpcWriteStream : public WriteStream<Request, Response> {
 public:
  // `open` begins the call with the context and the place for the answer.
  template <typename Open>
  explicit GrpcWriteStream(Open open) : writer_(open(&context_, &response_)) {}
  ~GrpcWriteStream() override {
    if (!finished_) {
      context_.TryCancel();
      writer_->Finish();
    }
  }
  bool Write(const Request& request) override { return writer_->Write(request); }
  absl::StatusOr<Response> Finish() override {
    finished_ = true;
    writer_->WritesDone();
    const grpc::Status status = writer_->Finish();
    if (!status.ok()) return FromGrpc(status);
    return response_;
  }

 private:
  grpc::ClientContext context_;
  Response response_;
  std::unique_ptr<grpc::ClientWriter<Request>> writer_;
  bool finished_ = false;
};

std::shared_ptr<grpc::Channel> MakeChannel(const std::string& server) {
  grpc::ChannelArguments arguments;
  // The channel's own pauses between connection attempts stay below those of our retries, which would otherwise
  // find it still waiting.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 50);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 5000);  // The time one connection attempt may take.
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  // A proxy of the environment (http_proxy) leads to other machines, never to this one.
  if (IsLoopback(server)) arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  // A statistics report of a wide network is larger than gRPC's 4 MB.
  arguments.SetMaxReceiveMessageSize(64 << 20);
  return grpc::CreateCustomChannel(server, grpc::InsecureChannelCredentials(), arguments);
}

}  // namespace

struct Stub::Services {
  explicit Services(const std::shared_ptr<grpc::Channel>& channel)
      : training(channel), datasets(channel), models(channel), operations(channel) {}
  v1::TrainingService::Stub training;
  v1::DatasetService::Stub datasets;
  v1::ModelService::Stub models;
  v1::OperationService::Stub operations;
};

Stub::Stub(const std::string& server) : services_(std::make_unique<Services>(MakeChannel(server))) {}
Stub::~Stub() = default;

absl::StatusOr<v1::Job> Stub::CreateJob(const v1::CreateJobRequest& request, absl::Time deadline) {
  return Call(services_->training, &v1::TrainingService::Stub::CreateJob, request, deadline);
}
absl::StatusOr<v1::Job> Stub::GetJob(const v1::GetJobRequest& request, absl::Time deadline) {
  return Call(services_->training, &v1::TrainingService::Stub::GetJob, request, deadline);
}
absl::StatusOr<v1::ListJobsResponse> Stub::ListJobs(const v1::ListJobsRequest& request, absl::Time deadline) {
  return Call(services_->training, &v1::TrainingService::Stub::ListJobs, request, deadline);
}
absl::StatusOr<v1::Job> Stub::UpdateJob(const v1::UpdateJobRequest& request, absl::Time deadline) {
  return Call(services_->training, &v1::TrainingService::Stub::UpdateJob, request, deadline);
}
absl::StatusOr<v1::Job> Stub::CancelJob(const v1::CancelJobRequest& request, absl::Time deadline) {
  return Call(services_->training, &v1::TrainingService::Stub::CancelJob, request, deadline);
}
absl::StatusOr<v1::Job> Stub::PauseJob(const v1::PauseJobRequest& request, absl::Time deadline) {
  return Call(services_->training, &v1::TrainingService::Stub::PauseJob, request, deadline);
}
absl::StatusOr<v1::Job> Stub::ResumeJob(const v1::ResumeJobRequest& request, absl::Time deadline) {
  return Call(services_->training, &v1::TrainingService::Stub::ResumeJob, request, deadline);
}
absl::StatusOr<v1::Job> Stub::StopJob(const v1::StopJobRequest& request, absl::Time deadline) {
  return Call(services_->training, &v1::TrainingService::Stub::StopJob, request, deadline);
}
absl::StatusOr<v1::Job> Stub::ExtendJob(const v1::ExtendJobRequest& request, absl::Time deadline) {
  return Call(services_->training, &v1::TrainingService::Stub::ExtendJob, request, deadline);
}
absl::StatusOr<v1::Job> Stub::ForkJob(const v1::ForkJobRequest& request, absl::Time deadline) {
  return Call(services_->training, &v1::TrainingService::Stub::ForkJob, request, deadline);
}
absl::StatusOr<google::protobuf::Empty> Stub::DeleteJob(const v1::DeleteJobRequest& request, absl::Time deadline) {
  return Call(services_->training, &v1::TrainingService::Stub::DeleteJob, request, deadline);
}
absl::StatusOr<v1::NetworkDescription> Stub::DescribeNetwork(const v1::DescribeNetworkRequest& request,
                                                             absl::Time deadline) {
  return Call(services_->training, &v1::TrainingService::Stub::DescribeNetwork, request, deadline);
}
absl::StatusOr<v1::ProbeNetworkResponse> Stub::ProbeNetwork(const v1::ProbeNetworkRequest& request,
                                                            absl::Time deadline) {
  return Call(services_->training, &v1::TrainingService::Stub::ProbeNetwork, request, deadline);
}
absl::StatusOr<v1::ListComponentsResponse> Stub::ListComponents(const v1::ListComponentsRequest& request,
                                                                absl::Time deadline) {
  return Call(services_->training, &v1::TrainingService::Stub::ListComponents, request, deadline);
}
std::unique_ptr<ReadStream<v1::WatchJobResponse>> Stub::WatchJob(const v1::WatchJobRequest& request) {
  return std::make_unique<GrpcReadStream<v1::WatchJobResponse>>(
      [&](grpc::ClientContext* context) { return services_->training.WatchJob(context, request); });
}

absl::StatusOr<v1::Operation> Stub::ImportDataset(const v1::ImportDatasetRequest& request, absl::Time deadline) {
  return Call(services_->datasets, &v1::DatasetService::Stub::ImportDataset, request, deadline);
}
absl::StatusOr<v1::Upload> Stub::GetUpload(const v1::GetUploadRequest& request, absl::Time deadline) {
  return Call(services_->datasets, &v1::DatasetService::Stub::GetUpload, request, deadline);
}
absl::StatusOr<v1::ListUploadsResponse> Stub::ListUploads(const v1::ListUploadsRequest& request, absl::Time deadline) {
  return Call(services_->datasets, &v1::DatasetService::Stub::ListUploads, request, deadline);
}
absl::StatusOr<google::protobuf::Empty> Stub::DeleteUpload(const v1::DeleteUploadRequest& request,
                                                           absl::Time deadline) {
  return Call(services_->datasets, &v1::DatasetService::Stub::DeleteUpload, request, deadline);
}
absl::StatusOr<v1::Dataset> Stub::GetDataset(const v1::GetDatasetRequest& request, absl::Time deadline) {
  return Call(services_->datasets, &v1::DatasetService::Stub::GetDataset, request, deadline);
}
absl::StatusOr<v1::ListDatasetsResponse> Stub::ListDatasets(const v1::ListDatasetsRequest& request,
                                                            absl::Time deadline) {
  return Call(services_->datasets, &v1::DatasetService::Stub::ListDatasets, request, deadline);
}
absl::StatusOr<v1::Dataset> Stub::UpdateDataset(const v1::UpdateDatasetRequest& request, absl::Time deadline) {
  return Call(services_->datasets, &v1::DatasetService::Stub::UpdateDataset, request, deadline);
}
absl::StatusOr<google::protobuf::Empty> Stub::DeleteDataset(const v1::DeleteDatasetRequest& request,
                                                            absl::Time deadline) {
  return Call(services_->datasets, &v1::DatasetService::Stub::DeleteDataset, request, deadline);
}
absl::StatusOr<v1::Operation> Stub::DescribeDataset(const v1::DescribeDatasetRequest& request, absl::Time deadline) {
  return Call(services_->datasets, &v1::DatasetService::Stub::DescribeDataset, request, deadline);
}
absl::StatusOr<v1::PreviewDatasetResponse> Stub::PreviewDataset(const v1::PreviewDatasetRequest& request,
                                                                absl::Time deadline) {
  return Call(services_->datasets, &v1::DatasetService::Stub::PreviewDataset, request, deadline);
}
std::unique_ptr<WriteStream<v1::UploadDatasetRequest, v1::Upload>> Stub::UploadDataset() {
  return std::make_unique<GrpcWriteStream<v1::UploadDatasetRequest, v1::Upload>>(
      [&](grpc::ClientContext* context, v1::Upload* upload) {
        return services_->datasets.UploadDataset(context, upload);
      });
}

absl::StatusOr<v1::Checkpoint> Stub::GetCheckpoint(const v1::GetCheckpointRequest& request, absl::Time deadline) {
  return Call(services_->models, &v1::ModelService::Stub::GetCheckpoint, request, deadline);
}
absl::StatusOr<v1::ListCheckpointsResponse> Stub::ListCheckpoints(const v1::ListCheckpointsRequest& request,
                                                                  absl::Time deadline) {
  return Call(services_->models, &v1::ModelService::Stub::ListCheckpoints, request, deadline);
}
absl::StatusOr<google::protobuf::Empty> Stub::DeleteCheckpoint(const v1::DeleteCheckpointRequest& request,
                                                               absl::Time deadline) {
  return Call(services_->models, &v1::ModelService::Stub::DeleteCheckpoint, request, deadline);
}
absl::StatusOr<v1::Model> Stub::GetModel(const v1::GetModelRequest& request, absl::Time deadline) {
  return Call(services_->models, &v1::ModelService::Stub::GetModel, request, deadline);
}
absl::StatusOr<v1::ListModelsResponse> Stub::ListModels(const v1::ListModelsRequest& request, absl::Time deadline) {
  return Call(services_->models, &v1::ModelService::Stub::ListModels, request, deadline);
}
absl::StatusOr<v1::Model> Stub::UpdateModel(const v1::UpdateModelRequest& request, absl::Time deadline) {
  return Call(services_->models, &v1::ModelService::Stub::UpdateModel, request, deadline);
}
absl::StatusOr<google::protobuf::Empty> Stub::DeleteModel(const v1::DeleteModelRequest& request, absl::Time deadline) {
  return Call(services_->models, &v1::ModelService::Stub::DeleteModel, request, deadline);
}
absl::StatusOr<v1::Operation> Stub::Evaluate(const v1::EvaluateRequest& request, absl::Time deadline) {
  return Call(services_->models, &v1::ModelService::Stub::Evaluate, request, deadline);
}
absl::StatusOr<v1::PredictResponse> Stub::Predict(const v1::PredictRequest& request, absl::Time deadline) {
  return Call(services_->models, &v1::ModelService::Stub::Predict, request, deadline);
}
absl::StatusOr<v1::Operation> Stub::PredictSplit(const v1::PredictSplitRequest& request, absl::Time deadline) {
  return Call(services_->models, &v1::ModelService::Stub::PredictSplit, request, deadline);
}
std::unique_ptr<ReadStream<v1::PredictResponse>> Stub::ReadPredictions(const v1::ReadPredictionsRequest& request) {
  return std::make_unique<GrpcReadStream<v1::PredictResponse>>(
      [&](grpc::ClientContext* context) { return services_->models.ReadPredictions(context, request); });
}
std::unique_ptr<ReadStream<v1::DownloadCheckpointResponse>> Stub::DownloadCheckpoint(
    const v1::DownloadCheckpointRequest& request) {
  return std::make_unique<GrpcReadStream<v1::DownloadCheckpointResponse>>(
      [&](grpc::ClientContext* context) { return services_->models.DownloadCheckpoint(context, request); });
}
std::unique_ptr<WriteStream<v1::UploadModelRequest, v1::Model>> Stub::UploadModel() {
  return std::make_unique<GrpcWriteStream<v1::UploadModelRequest, v1::Model>>(
      [&](grpc::ClientContext* context, v1::Model* model) { return services_->models.UploadModel(context, model); });
}

absl::StatusOr<v1::Operation> Stub::GetOperation(const v1::GetOperationRequest& request, absl::Time deadline) {
  return Call(services_->operations, &v1::OperationService::Stub::GetOperation, request, deadline);
}
absl::StatusOr<v1::ListOperationsResponse> Stub::ListOperations(const v1::ListOperationsRequest& request,
                                                                absl::Time deadline) {
  return Call(services_->operations, &v1::OperationService::Stub::ListOperations, request, deadline);
}
absl::StatusOr<v1::Operation> Stub::WaitOperation(const v1::WaitOperationRequest& request, absl::Time deadline) {
  return Call(services_->operations, &v1::OperationService::Stub::WaitOperation, request, deadline);
}
absl::StatusOr<v1::Operation> Stub::CancelOperation(const v1::CancelOperationRequest& request, absl::Time deadline) {
  return Call(services_->operations, &v1::OperationService::Stub::CancelOperation, request, deadline);
}
absl::StatusOr<google::protobuf::Empty> Stub::DeleteOperation(const v1::DeleteOperationRequest& request,
                                                              absl::Time deadline) {
  return Call(services_->operations, &v1::OperationService::Stub::DeleteOperation, request, deadline);
}

}  // namespace traind::client
