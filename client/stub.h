// The lowest layer of the client: one method for each RPC, absl::Status in place of grpc::Status, no retries. gRPC is
// seen in stub*.cc and stub_services.h alone. Thread-safe; a stream is used by one thread, but Cancel may come from
// any.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/credentials.h"
#include "traind/v1/auth_service.pb.h"
#include "traind/v1/dataset_service.pb.h"
#include "traind/v1/model_service.pb.h"
#include "traind/v1/operation.pb.h"
#include "traind/v1/server_service.pb.h"
#include "traind/v1/sweep_service.pb.h"
#include "traind/v1/training_service.pb.h"

namespace traind::client {

// What a server stream is to its reader.
template <typename Response>
class ReadStream {
 public:
  virtual ~ReadStream() = default;
  virtual bool Read(Response* response) = 0;  // False: the stream is over.
  virtual absl::Status Finish() = 0;          // How it ended; after Read was false, or to give up early.
  virtual void Cancel() = 0;
};

// What a client stream is to its writer.
template <typename Request, typename Response>
class WriteStream {
 public:
  virtual ~WriteStream() = default;
  virtual bool Write(const Request& request) = 0;  // False: the server hung up; Finish says why.
  virtual absl::StatusOr<Response> Finish() = 0;   // Ends the stream and waits for the answer.
};

class Stub {
 public:
  // `server` is an address as gRPC takes it: "host:port", "unix:/path". Connects at the first call. Every call fails
  // as CheckCredentials does.
  Stub(const std::string& server, const Credentials& credentials);
  ~Stub();

  absl::Status CheckHealth(absl::Time deadline);

  template <typename Response>
  using Answer = absl::StatusOr<Response>;

  Answer<v1::Job> CreateJob(const v1::CreateJobRequest& request, absl::Time deadline);
  Answer<v1::Job> GetJob(const v1::GetJobRequest& request, absl::Time deadline);
  Answer<v1::ListJobsResponse> ListJobs(const v1::ListJobsRequest& request, absl::Time deadline);
  Answer<v1::Job> UpdateJob(const v1::UpdateJobRequest& request, absl::Time deadline);
  Answer<v1::Job> CancelJob(const v1::CancelJobRequest& request, absl::Time deadline);
  Answer<v1::Job> PauseJob(const v1::PauseJobRequest& request, absl::Time deadline);
  Answer<v1::Job> ResumeJob(const v1::ResumeJobRequest& request, absl::Time deadline);
  Answer<v1::Job> StopJob(const v1::StopJobRequest& request, absl::Time deadline);
  Answer<v1::Job> ExtendJob(const v1::ExtendJobRequest& request, absl::Time deadline);
  Answer<v1::Job> ForkJob(const v1::ForkJobRequest& request, absl::Time deadline);
  Answer<google::protobuf::Empty> DeleteJob(const v1::DeleteJobRequest& request, absl::Time deadline);
  Answer<v1::NetworkDescription> DescribeNetwork(const v1::DescribeNetworkRequest& request, absl::Time deadline);
  Answer<v1::ProbeNetworkResponse> ProbeNetwork(const v1::ProbeNetworkRequest& request, absl::Time deadline);
  Answer<v1::ListComponentsResponse> ListComponents(const v1::ListComponentsRequest& request, absl::Time deadline);
  Answer<v1::Series> GetSeries(const v1::GetSeriesRequest& request, absl::Time deadline);
  Answer<v1::ListFindingsResponse> ListFindings(const v1::ListFindingsRequest& request, absl::Time deadline);
  std::unique_ptr<ReadStream<v1::WatchJobResponse>> WatchJob(const v1::WatchJobRequest& request);

  Answer<v1::Operation> ImportDataset(const v1::ImportDatasetRequest& request, absl::Time deadline);
  Answer<v1::Upload> GetUpload(const v1::GetUploadRequest& request, absl::Time deadline);
  Answer<v1::ListUploadsResponse> ListUploads(const v1::ListUploadsRequest& request, absl::Time deadline);
  Answer<google::protobuf::Empty> DeleteUpload(const v1::DeleteUploadRequest& request, absl::Time deadline);
  Answer<v1::Dataset> GetDataset(const v1::GetDatasetRequest& request, absl::Time deadline);
  Answer<v1::ListDatasetsResponse> ListDatasets(const v1::ListDatasetsRequest& request, absl::Time deadline);
  Answer<v1::Dataset> UpdateDataset(const v1::UpdateDatasetRequest& request, absl::Time deadline);
  Answer<google::protobuf::Empty> DeleteDataset(const v1::DeleteDatasetRequest& request, absl::Time deadline);
  Answer<v1::Operation> DescribeDataset(const v1::DescribeDatasetRequest& request, absl::Time deadline);
  Answer<v1::PreviewDatasetResponse> PreviewDataset(const v1::PreviewDatasetRequest& request, absl::Time deadline);
  std::unique_ptr<WriteStream<v1::UploadDatasetRequest, v1::Upload>> UploadDataset();

  Answer<v1::Checkpoint> GetCheckpoint(const v1::GetCheckpointRequest& request, absl::Time deadline);
  Answer<v1::ListCheckpointsResponse> ListCheckpoints(const v1::ListCheckpointsRequest& request, absl::Time deadline);
  Answer<google::protobuf::Empty> DeleteCheckpoint(const v1::DeleteCheckpointRequest& request, absl::Time deadline);
  Answer<v1::Model> GetModel(const v1::GetModelRequest& request, absl::Time deadline);
  Answer<v1::ListModelsResponse> ListModels(const v1::ListModelsRequest& request, absl::Time deadline);
  Answer<v1::Model> UpdateModel(const v1::UpdateModelRequest& request, absl::Time deadline);
  Answer<v1::Model> CreateEnsemble(const v1::CreateEnsembleRequest& request, absl::Time deadline);
  Answer<google::protobuf::Empty> DeleteModel(const v1::DeleteModelRequest& request, absl::Time deadline);
  Answer<v1::Operation> Evaluate(const v1::EvaluateRequest& request, absl::Time deadline);
  Answer<v1::PredictResponse> Predict(const v1::PredictRequest& request, absl::Time deadline);
  Answer<v1::Operation> PredictSplit(const v1::PredictSplitRequest& request, absl::Time deadline);
  std::unique_ptr<ReadStream<v1::PredictResponse>> ReadPredictions(const v1::ReadPredictionsRequest& request);
  std::unique_ptr<ReadStream<v1::DownloadCheckpointResponse>> DownloadCheckpoint(
      const v1::DownloadCheckpointRequest& request);
  std::unique_ptr<ReadStream<v1::ExportModelResponse>> ExportModel(const v1::ExportModelRequest& request);
  std::unique_ptr<WriteStream<v1::UploadModelRequest, v1::Model>> UploadModel();

  Answer<v1::WhoAmIResponse> WhoAmI(const v1::WhoAmIRequest& request, absl::Time deadline);
  Answer<v1::ListUsersResponse> ListUsers(const v1::ListUsersRequest& request, absl::Time deadline);
  Answer<v1::SetUserResponse> SetUser(const v1::SetUserRequest& request, absl::Time deadline);
  Answer<v1::GetQuotaResponse> GetQuota(const v1::GetQuotaRequest& request, absl::Time deadline);
  Answer<v1::IssueTokenResponse> IssueToken(const v1::IssueTokenRequest& request, absl::Time deadline);
  Answer<v1::ListTokensResponse> ListTokens(const v1::ListTokensRequest& request, absl::Time deadline);
  Answer<v1::RevokeTokenResponse> RevokeToken(const v1::RevokeTokenRequest& request, absl::Time deadline);

  Answer<v1::Operation> GetOperation(const v1::GetOperationRequest& request, absl::Time deadline);
  Answer<v1::ListOperationsResponse> ListOperations(const v1::ListOperationsRequest& request, absl::Time deadline);
  Answer<v1::Operation> WaitOperation(const v1::WaitOperationRequest& request, absl::Time deadline);
  Answer<v1::Operation> CancelOperation(const v1::CancelOperationRequest& request, absl::Time deadline);
  Answer<google::protobuf::Empty> DeleteOperation(const v1::DeleteOperationRequest& request, absl::Time deadline);

  Answer<v1::Sweep> CreateSweep(const v1::CreateSweepRequest& request, absl::Time deadline);
  Answer<v1::Sweep> GetSweep(const v1::GetSweepRequest& request, absl::Time deadline);
  Answer<v1::ListSweepsResponse> ListSweeps(const v1::ListSweepsRequest& request, absl::Time deadline);
  Answer<v1::Sweep> UpdateSweep(const v1::UpdateSweepRequest& request, absl::Time deadline);
  Answer<v1::Sweep> PauseSweep(const v1::PauseSweepRequest& request, absl::Time deadline);
  Answer<v1::Sweep> ResumeSweep(const v1::ResumeSweepRequest& request, absl::Time deadline);
  Answer<v1::Sweep> StopSweep(const v1::StopSweepRequest& request, absl::Time deadline);
  Answer<v1::Sweep> CancelSweep(const v1::CancelSweepRequest& request, absl::Time deadline);
  Answer<google::protobuf::Empty> DeleteSweep(const v1::DeleteSweepRequest& request, absl::Time deadline);
  Answer<v1::Trial> GetTrial(const v1::GetTrialRequest& request, absl::Time deadline);
  Answer<v1::ListTrialsResponse> ListTrials(const v1::ListTrialsRequest& request, absl::Time deadline);
  Answer<v1::ListSweepEntriesResponse> ListSweepEntries(const v1::ListSweepEntriesRequest& request,
                                                        absl::Time deadline);
  Answer<v1::Trial> RerunTrial(const v1::RerunTrialRequest& request, absl::Time deadline);
  Answer<v1::Trial> CreateTrial(const v1::CreateTrialRequest& request, absl::Time deadline);
  Answer<v1::SuggestTrialsResponse> SuggestTrials(const v1::SuggestTrialsRequest& request, absl::Time deadline);
  Answer<v1::Trial> AddMeasurement(const v1::AddMeasurementRequest& request, absl::Time deadline);
  Answer<v1::Trial> CompleteTrial(const v1::CompleteTrialRequest& request, absl::Time deadline);
  Answer<v1::ShouldTrialStopResponse> ShouldTrialStop(const v1::ShouldTrialStopRequest& request, absl::Time deadline);

  Answer<v1::ServerInfo> GetServerInfo(const v1::GetServerInfoRequest& request, absl::Time deadline);
  Answer<v1::ServerInfo> SetLogLevel(const v1::SetLogLevelRequest& request, absl::Time deadline);
  Answer<v1::Storage> GetStorage(const v1::GetStorageRequest& request, absl::Time deadline);

 private:
  struct Services;  // The generated stubs over one channel.
  std::unique_ptr<Services> services_;
};

}  // namespace traind::client
