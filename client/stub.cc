#include "client/stub.h"

#include <google/protobuf/wrappers.pb.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/sync_stream.h>

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "client/loopback.h"
#include "client/stub_services.h"

namespace traind::client {
namespace {

template <typename Response>
class GrpcReadStream : public ReadStream<Response> {
 public:
  // `open` begins the call with the context it is given.
  template <typename Open>
  GrpcReadStream(const Access& access, Open open) {
    access.Prepare(context_);
    reader_ = open(&context_);
  }
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
  GrpcWriteStream(const Access& access, Open open) {
    access.Prepare(context_);
    writer_ = open(&context_, &response_);
  }
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

// Streams of a connection that may not be used.
template <typename Response>
class RefusedReadStream : public ReadStream<Response> {
 public:
  explicit RefusedReadStream(absl::Status why) : why_(std::move(why)) {}
  bool Read(Response*) override { return false; }
  absl::Status Finish() override { return why_; }
  void Cancel() override {}

 private:
  const absl::Status why_;
};
template <typename Request, typename Response>
class RefusedWriteStream : public WriteStream<Request, Response> {
 public:
  explicit RefusedWriteStream(absl::Status why) : why_(std::move(why)) {}
  bool Write(const Request&) override { return false; }
  absl::StatusOr<Response> Finish() override { return why_; }

 private:
  const absl::Status why_;
};

template <typename Response, typename Open>
std::unique_ptr<ReadStream<Response>> OpenRead(const Access& access, Open open) {
  if (!access.usable.ok()) return std::make_unique<RefusedReadStream<Response>>(access.usable);
  return std::make_unique<GrpcReadStream<Response>>(access, open);
}
template <typename Request, typename Response, typename Open>
std::unique_ptr<WriteStream<Request, Response>> OpenWrite(const Access& access, Open open) {
  if (!access.usable.ok()) return std::make_unique<RefusedWriteStream<Request, Response>>(access.usable);
  return std::make_unique<GrpcWriteStream<Request, Response>>(access, open);
}

// An address of all interfaces, as a server listens on it, leads to this machine.
bool IsAnyAddress(const std::string& server) {
  return absl::StartsWith(server, "0.0.0.0:") || absl::StartsWith(server, "[::]:");
}

std::shared_ptr<grpc::ChannelCredentials> ToChannelCredentials(const Credentials& credentials) {
  if (!credentials.tls) return grpc::InsecureChannelCredentials();
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = credentials.ca;
  options.pem_private_key = credentials.key;
  options.pem_cert_chain = credentials.cert;
  return grpc::SslCredentials(options);
}

std::shared_ptr<grpc::Channel> MakeChannel(const std::string& server, const Credentials& credentials) {
  grpc::ChannelArguments arguments;
  // The channel's own pauses between connection attempts stay below those of our retries, which would otherwise
  // find it still waiting.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 50);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 5000);  // The time one connection attempt may take.
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  // gRPC looks for the addresses anew before it connects to a server that was gone, and otherwise waits half a minute
  // between two looks.
  arguments.SetInt(GRPC_ARG_DNS_MIN_TIME_BETWEEN_RESOLUTIONS_MS, 100);
  // A server that has vanished is found while a call waits for it; a server takes a ping every 10 s.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 60'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20'000);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);  // As many as it takes: a watch may be silent for hours.
  // A proxy of the environment (http_proxy) leads to other machines, never to this one.
  if (IsLoopback(server) || IsAnyAddress(server)) arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  // A statistics report of a wide network is larger than gRPC's 4 MB.
  arguments.SetMaxReceiveMessageSize(64 << 20);
  if (IsAnyAddress(server)) arguments.SetSslTargetNameOverride("localhost");
  return grpc::CreateCustomChannel(server, ToChannelCredentials(credentials), arguments);
}

}  // namespace

Stub::Services::Services(const std::string& address, const Credentials& credentials)
    : access{.usable = CheckCredentials(address, credentials),
             .authorization = credentials.token.empty() ? "" : "Bearer " + credentials.token},
      channel(MakeChannel(address, credentials)),
      training(channel, access),
      datasets(channel, access),
      models(channel, access),
      operations(channel, access),
      auth(channel, access),
      server(channel, access),
      sweeps(channel, access) {}

Stub::Stub(const std::string& server, const Credentials& credentials)
    : services_(std::make_unique<Services>(server, credentials)) {}
Stub::~Stub() = default;

// grpc.health.v1 without its .proto file, which another part of the program may bring: its messages have the wire form
// of these wrappers. The token is not sent: a health check needs none.
absl::Status Stub::CheckHealth(absl::Time deadline) {
  grpc::TemplatedGenericStub<google::protobuf::StringValue, google::protobuf::Int32Value> stub(services_->channel);
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(deadline));
  const google::protobuf::StringValue request;
  google::protobuf::Int32Value response;
  grpc::Status status;
  absl::Notification done;
  stub.UnaryCall(&context, "/grpc.health.v1.Health/Check", {}, &request, &response, [&](grpc::Status result) {
    status = std::move(result);
    done.Notify();
  });
  done.WaitForNotification();
  if (!status.ok()) return FromGrpc(status);
  constexpr int kServing = 1;
  if (response.value() == kServing) return absl::OkStatus();
  return MakeStatus(grpc::StatusCode::FAILED_PRECONDITION, "the server says NOT_SERVING", "");
}

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
absl::StatusOr<v1::Series> Stub::GetSeries(const v1::GetSeriesRequest& request, absl::Time deadline) {
  return Call(services_->training, &v1::TrainingService::Stub::GetSeries, request, deadline);
}
absl::StatusOr<v1::ListFindingsResponse> Stub::ListFindings(const v1::ListFindingsRequest& request,
                                                            absl::Time deadline) {
  return Call(services_->training, &v1::TrainingService::Stub::ListFindings, request, deadline);
}
std::unique_ptr<ReadStream<v1::WatchJobResponse>> Stub::WatchJob(const v1::WatchJobRequest& request) {
  return OpenRead<v1::WatchJobResponse>(services_->access, [&](grpc::ClientContext* context) {
    return services_->training.stub.WatchJob(context, request);
  });
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
  return OpenWrite<v1::UploadDatasetRequest, v1::Upload>(
      services_->access, [&](grpc::ClientContext* context, v1::Upload* upload) {
        return services_->datasets.stub.UploadDataset(context, upload);
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
absl::StatusOr<v1::Model> Stub::CreateEnsemble(const v1::CreateEnsembleRequest& request, absl::Time deadline) {
  return Call(services_->models, &v1::ModelService::Stub::CreateEnsemble, request, deadline);
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
  return OpenRead<v1::PredictResponse>(services_->access, [&](grpc::ClientContext* context) {
    return services_->models.stub.ReadPredictions(context, request);
  });
}
std::unique_ptr<ReadStream<v1::DownloadCheckpointResponse>> Stub::DownloadCheckpoint(
    const v1::DownloadCheckpointRequest& request) {
  return OpenRead<v1::DownloadCheckpointResponse>(services_->access, [&](grpc::ClientContext* context) {
    return services_->models.stub.DownloadCheckpoint(context, request);
  });
}
std::unique_ptr<ReadStream<v1::ExportModelResponse>> Stub::ExportModel(const v1::ExportModelRequest& request) {
  return OpenRead<v1::ExportModelResponse>(services_->access, [&](grpc::ClientContext* context) {
    return services_->models.stub.ExportModel(context, request);
  });
}
std::unique_ptr<WriteStream<v1::UploadModelRequest, v1::Model>> Stub::UploadModel() {
  return OpenWrite<v1::UploadModelRequest, v1::Model>(services_->access,
                                                      [&](grpc::ClientContext* context, v1::Model* model) {
                                                        return services_->models.stub.UploadModel(context, model);
                                                      });
}

absl::StatusOr<v1::WhoAmIResponse> Stub::WhoAmI(const v1::WhoAmIRequest& request, absl::Time deadline) {
  return Call(services_->auth, &v1::AuthService::Stub::WhoAmI, request, deadline);
}
absl::StatusOr<v1::ListUsersResponse> Stub::ListUsers(const v1::ListUsersRequest& request, absl::Time deadline) {
  return Call(services_->auth, &v1::AuthService::Stub::ListUsers, request, deadline);
}
absl::StatusOr<v1::SetUserResponse> Stub::SetUser(const v1::SetUserRequest& request, absl::Time deadline) {
  return Call(services_->auth, &v1::AuthService::Stub::SetUser, request, deadline);
}

absl::StatusOr<v1::GetQuotaResponse> Stub::GetQuota(const v1::GetQuotaRequest& request, absl::Time deadline) {
  return Call(services_->auth, &v1::AuthService::Stub::GetQuota, request, deadline);
}
absl::StatusOr<v1::IssueTokenResponse> Stub::IssueToken(const v1::IssueTokenRequest& request, absl::Time deadline) {
  return Call(services_->auth, &v1::AuthService::Stub::IssueToken, request, deadline);
}
absl::StatusOr<v1::ListTokensResponse> Stub::ListTokens(const v1::ListTokensRequest& request, absl::Time deadline) {
  return Call(services_->auth, &v1::AuthService::Stub::ListTokens, request, deadline);
}
absl::StatusOr<v1::RevokeTokenResponse> Stub::RevokeToken(const v1::RevokeTokenRequest& request, absl::Time deadline) {
  return Call(services_->auth, &v1::AuthService::Stub::RevokeToken, request, deadline);
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

absl::StatusOr<v1::ServerInfo> Stub::GetServerInfo(const v1::GetServerInfoRequest& request, absl::Time deadline) {
  return Call(services_->server, &v1::ServerService::Stub::GetServerInfo, request, deadline);
}
absl::StatusOr<v1::ServerInfo> Stub::SetLogLevel(const v1::SetLogLevelRequest& request, absl::Time deadline) {
  return Call(services_->server, &v1::ServerService::Stub::SetLogLevel, request, deadline);
}

absl::StatusOr<v1::Storage> Stub::GetStorage(const v1::GetStorageRequest& request, absl::Time deadline) {
  return Call(services_->server, &v1::ServerService::Stub::GetStorage, request, deadline);
}

}  // namespace traind::client
