// A real gRPC server on a loopback port whose methods are the test's functions, and a clock that never waits.
#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "client/client.h"
#include "traind/rpc/error_details.pb.h"
#include "traind/rpc/status.pb.h"
#include "traind/v1/auth_service.grpc.pb.h"
#include "traind/v1/dataset_service.grpc.pb.h"
#include "traind/v1/model_service.grpc.pb.h"
#include "traind/v1/operation.grpc.pb.h"
#include "traind/v1/server_service.grpc.pb.h"
#include "traind/v1/sweep_service.grpc.pb.h"
#include "traind/v1/training_service.grpc.pb.h"

namespace traind::client {

// Sleeping moves the time and is written down.
class FakeClock : public Clock {
 public:
  absl::Time Now() override {
    absl::MutexLock lock(&mutex_);
    return now_;
  }
  void Sleep(absl::Duration duration, const absl::Notification*) override {
    absl::MutexLock lock(&mutex_);
    now_ += duration;
    sleeps_.push_back(duration);
  }
  std::vector<absl::Duration> sleeps() {
    absl::MutexLock lock(&mutex_);
    return sleeps_;
  }

 private:
  absl::Mutex mutex_;
  absl::Time now_ = absl::Now();  // gRPC measures deadlines by the machine's clock.
  std::vector<absl::Duration> sleeps_;
};

// A method without a function answers UNIMPLEMENTED.
template <typename... Arguments>
using Method = std::function<grpc::Status(Arguments...)>;

template <typename... Arguments>
grpc::Status Answer(const Method<Arguments...>& method, std::type_identity_t<Arguments>... arguments) {
  return method ? method(arguments...) : grpc::Status(grpc::StatusCode::UNIMPLEMENTED, "the test has no answer");
}

// What a fake operation made.
inline void Succeed(const google::protobuf::Message& made, v1::Operation* operation) {
  v1::OperationMetadata metadata;
  metadata.set_state(v1::OPERATION_STATE_SUCCEEDED);
  operation->mutable_metadata()->PackFrom(metadata);
  operation->set_name("operations/o");
  operation->set_done(true);
  operation->mutable_response()->PackFrom(made);
}

struct FakeTraining : v1::TrainingService::Service {
  Method<const v1::CreateJobRequest&, v1::Job*> create_job;
  Method<const v1::GetJobRequest&, v1::Job*> get_job;
  Method<const v1::ListJobsRequest&, v1::ListJobsResponse*> list_jobs;
  Method<const v1::UpdateJobRequest&, v1::Job*> update_job;
  Method<const v1::CancelJobRequest&, v1::Job*> cancel_job;
  Method<const v1::PauseJobRequest&, v1::Job*> pause_job;
  Method<const v1::ResumeJobRequest&, v1::Job*> resume_job;
  Method<const v1::StopJobRequest&, v1::Job*> stop_job;
  Method<const v1::ExtendJobRequest&, v1::Job*> extend_job;
  Method<const v1::ForkJobRequest&, v1::Job*> fork_job;
  Method<const v1::DeleteJobRequest&> delete_job;
  Method<const v1::DescribeNetworkRequest&, v1::NetworkDescription*> describe_network;
  Method<const v1::ProbeNetworkRequest&, v1::ProbeNetworkResponse*> probe_network;
  Method<const v1::ListComponentsRequest&, v1::ListComponentsResponse*> list_components;
  Method<const v1::GetSeriesRequest&, v1::Series*> get_series;
  Method<const v1::ListFindingsRequest&, v1::ListFindingsResponse*> list_findings;
  Method<const v1::WatchJobRequest&, grpc::ServerWriter<v1::WatchJobResponse>*> watch_job;

  grpc::Status CreateJob(grpc::ServerContext*, const v1::CreateJobRequest* request, v1::Job* response) override {
    return Answer(create_job, *request, response);
  }
  grpc::Status GetJob(grpc::ServerContext*, const v1::GetJobRequest* request, v1::Job* response) override {
    return Answer(get_job, *request, response);
  }
  grpc::Status ListJobs(grpc::ServerContext*, const v1::ListJobsRequest* request,
                        v1::ListJobsResponse* response) override {
    return Answer(list_jobs, *request, response);
  }
  grpc::Status UpdateJob(grpc::ServerContext*, const v1::UpdateJobRequest* request, v1::Job* response) override {
    return Answer(update_job, *request, response);
  }
  grpc::Status CancelJob(grpc::ServerContext*, const v1::CancelJobRequest* request, v1::Job* response) override {
    return Answer(cancel_job, *request, response);
  }
  grpc::Status PauseJob(grpc::ServerContext*, const v1::PauseJobRequest* request, v1::Job* response) override {
    return Answer(pause_job, *request, response);
  }
  grpc::Status ResumeJob(grpc::ServerContext*, const v1::ResumeJobRequest* request, v1::Job* response) override {
    return Answer(resume_job, *request, response);
  }
  grpc::Status StopJob(grpc::ServerContext*, const v1::StopJobRequest* request, v1::Job* response) override {
    return Answer(stop_job, *request, response);
  }
  grpc::Status ExtendJob(grpc::ServerContext*, const v1::ExtendJobRequest* request, v1::Job* response) override {
    return Answer(extend_job, *request, response);
  }
  grpc::Status ForkJob(grpc::ServerContext*, const v1::ForkJobRequest* request, v1::Job* response) override {
    return Answer(fork_job, *request, response);
  }
  grpc::Status DeleteJob(grpc::ServerContext*, const v1::DeleteJobRequest* request, google::protobuf::Empty*) override {
    return Answer(delete_job, *request);
  }
  grpc::Status DescribeNetwork(grpc::ServerContext*, const v1::DescribeNetworkRequest* request,
                               v1::NetworkDescription* response) override {
    return Answer(describe_network, *request, response);
  }
  grpc::Status ProbeNetwork(grpc::ServerContext*, const v1::ProbeNetworkRequest* request,
                            v1::ProbeNetworkResponse* response) override {
    return Answer(probe_network, *request, response);
  }
  grpc::Status ListComponents(grpc::ServerContext*, const v1::ListComponentsRequest* request,
                              v1::ListComponentsResponse* response) override {
    return Answer(list_components, *request, response);
  }
  grpc::Status GetSeries(grpc::ServerContext*, const v1::GetSeriesRequest* request, v1::Series* response) override {
    return Answer(get_series, *request, response);
  }
  grpc::Status ListFindings(grpc::ServerContext*, const v1::ListFindingsRequest* request,
                            v1::ListFindingsResponse* response) override {
    return Answer(list_findings, *request, response);
  }
  grpc::Status WatchJob(grpc::ServerContext*, const v1::WatchJobRequest* request,
                        grpc::ServerWriter<v1::WatchJobResponse>* writer) override {
    return Answer(watch_job, *request, writer);
  }
};

struct FakeDatasets : v1::DatasetService::Service {
  Method<const v1::ImportDatasetRequest&, v1::Operation*> import_dataset;
  Method<const v1::DescribeDatasetRequest&, v1::Operation*> describe_dataset;
  Method<const v1::GetDatasetRequest&, v1::Dataset*> get_dataset;
  Method<const v1::ListDatasetsRequest&, v1::ListDatasetsResponse*> list_datasets;
  Method<const v1::UpdateDatasetRequest&, v1::Dataset*> update_dataset;
  Method<const v1::DeleteDatasetRequest&> delete_dataset;
  Method<const v1::GetUploadRequest&, v1::Upload*> get_upload;
  Method<const v1::ListUploadsRequest&, v1::ListUploadsResponse*> list_uploads;
  Method<const v1::DeleteUploadRequest&> delete_upload;
  Method<const v1::PreviewDatasetRequest&, v1::PreviewDatasetResponse*> preview_dataset;
  Method<grpc::ServerReader<v1::UploadDatasetRequest>*, v1::Upload*> upload;

  grpc::Status ImportDataset(grpc::ServerContext*, const v1::ImportDatasetRequest* request,
                             v1::Operation* response) override {
    return Answer(import_dataset, *request, response);
  }
  grpc::Status DescribeDataset(grpc::ServerContext*, const v1::DescribeDatasetRequest* request,
                               v1::Operation* response) override {
    return Answer(describe_dataset, *request, response);
  }
  grpc::Status GetDataset(grpc::ServerContext*, const v1::GetDatasetRequest* request, v1::Dataset* response) override {
    return Answer(get_dataset, *request, response);
  }
  grpc::Status ListDatasets(grpc::ServerContext*, const v1::ListDatasetsRequest* request,
                            v1::ListDatasetsResponse* response) override {
    return Answer(list_datasets, *request, response);
  }
  grpc::Status UpdateDataset(grpc::ServerContext*, const v1::UpdateDatasetRequest* request,
                             v1::Dataset* response) override {
    return Answer(update_dataset, *request, response);
  }
  grpc::Status DeleteDataset(grpc::ServerContext*, const v1::DeleteDatasetRequest* request,
                             google::protobuf::Empty*) override {
    return Answer(delete_dataset, *request);
  }
  grpc::Status GetUpload(grpc::ServerContext*, const v1::GetUploadRequest* request, v1::Upload* response) override {
    return Answer(get_upload, *request, response);
  }
  grpc::Status ListUploads(grpc::ServerContext*, const v1::ListUploadsRequest* request,
                           v1::ListUploadsResponse* response) override {
    return Answer(list_uploads, *request, response);
  }
  grpc::Status DeleteUpload(grpc::ServerContext*, const v1::DeleteUploadRequest* request,
                            google::protobuf::Empty*) override {
    return Answer(delete_upload, *request);
  }
  grpc::Status PreviewDataset(grpc::ServerContext*, const v1::PreviewDatasetRequest* request,
                              v1::PreviewDatasetResponse* response) override {
    return Answer(preview_dataset, *request, response);
  }
  grpc::Status UploadDataset(grpc::ServerContext*, grpc::ServerReader<v1::UploadDatasetRequest>* reader,
                             v1::Upload* result) override {
    return Answer(upload, reader, result);
  }
};

struct FakeModels : v1::ModelService::Service {
  Method<const v1::GetCheckpointRequest&, v1::Checkpoint*> get_checkpoint;
  Method<const v1::ListCheckpointsRequest&, v1::ListCheckpointsResponse*> list_checkpoints;
  Method<const v1::DeleteCheckpointRequest&> delete_checkpoint;
  Method<const v1::GetModelRequest&, v1::Model*> get_model;
  Method<const v1::ListModelsRequest&, v1::ListModelsResponse*> list_models;
  Method<const v1::UpdateModelRequest&, v1::Model*> update_model;
  Method<const v1::DeleteModelRequest&> delete_model;
  Method<const v1::CreateEnsembleRequest&, v1::Model*> create_ensemble;
  Method<const v1::EvaluateRequest&, v1::Operation*> evaluate;
  Method<const v1::PredictRequest&, v1::PredictResponse*> predict;
  Method<const v1::PredictSplitRequest&, v1::Operation*> predict_split;
  Method<const v1::DownloadCheckpointRequest&, grpc::ServerWriter<v1::DownloadCheckpointResponse>*> download;
  Method<const v1::ExportModelRequest&, grpc::ServerWriter<v1::ExportModelResponse>*> export_model;
  Method<const v1::ReadPredictionsRequest&, grpc::ServerWriter<v1::PredictResponse>*> read_predictions;
  Method<grpc::ServerReader<v1::UploadModelRequest>*, v1::Model*> upload;

  grpc::Status GetCheckpoint(grpc::ServerContext*, const v1::GetCheckpointRequest* request,
                             v1::Checkpoint* response) override {
    return Answer(get_checkpoint, *request, response);
  }
  grpc::Status ListCheckpoints(grpc::ServerContext*, const v1::ListCheckpointsRequest* request,
                               v1::ListCheckpointsResponse* response) override {
    return Answer(list_checkpoints, *request, response);
  }
  grpc::Status DeleteCheckpoint(grpc::ServerContext*, const v1::DeleteCheckpointRequest* request,
                                google::protobuf::Empty*) override {
    return Answer(delete_checkpoint, *request);
  }
  grpc::Status GetModel(grpc::ServerContext*, const v1::GetModelRequest* request, v1::Model* response) override {
    return Answer(get_model, *request, response);
  }
  grpc::Status ListModels(grpc::ServerContext*, const v1::ListModelsRequest* request,
                          v1::ListModelsResponse* response) override {
    return Answer(list_models, *request, response);
  }
  grpc::Status UpdateModel(grpc::ServerContext*, const v1::UpdateModelRequest* request, v1::Model* response) override {
    return Answer(update_model, *request, response);
  }
  grpc::Status CreateEnsemble(grpc::ServerContext*, const v1::CreateEnsembleRequest* request,
                              v1::Model* response) override {
    return Answer(create_ensemble, *request, response);
  }
  grpc::Status DeleteModel(grpc::ServerContext*, const v1::DeleteModelRequest* request,
                           google::protobuf::Empty*) override {
    return Answer(delete_model, *request);
  }
  grpc::Status Evaluate(grpc::ServerContext*, const v1::EvaluateRequest* request, v1::Operation* response) override {
    return Answer(evaluate, *request, response);
  }
  grpc::Status Predict(grpc::ServerContext*, const v1::PredictRequest* request,
                       v1::PredictResponse* response) override {
    return Answer(predict, *request, response);
  }
  grpc::Status PredictSplit(grpc::ServerContext*, const v1::PredictSplitRequest* request,
                            v1::Operation* response) override {
    return Answer(predict_split, *request, response);
  }
  grpc::Status DownloadCheckpoint(grpc::ServerContext*, const v1::DownloadCheckpointRequest* request,
                                  grpc::ServerWriter<v1::DownloadCheckpointResponse>* writer) override {
    return Answer(download, *request, writer);
  }
  grpc::Status ExportModel(grpc::ServerContext*, const v1::ExportModelRequest* request,
                           grpc::ServerWriter<v1::ExportModelResponse>* writer) override {
    return Answer(export_model, *request, writer);
  }
  grpc::Status ReadPredictions(grpc::ServerContext*, const v1::ReadPredictionsRequest* request,
                               grpc::ServerWriter<v1::PredictResponse>* writer) override {
    return Answer(read_predictions, *request, writer);
  }
  grpc::Status UploadModel(grpc::ServerContext*, grpc::ServerReader<v1::UploadModelRequest>* reader,
                           v1::Model* model) override {
    return Answer(upload, reader, model);
  }
};

struct FakeOperations : v1::OperationService::Service {
  Method<const v1::GetOperationRequest&, v1::Operation*> get;
  Method<const v1::ListOperationsRequest&, v1::ListOperationsResponse*> list;
  Method<const v1::WaitOperationRequest&, v1::Operation*> wait;
  Method<const v1::CancelOperationRequest&, v1::Operation*> cancel;
  Method<const v1::DeleteOperationRequest&> remove;

  grpc::Status GetOperation(grpc::ServerContext*, const v1::GetOperationRequest* request,
                            v1::Operation* response) override {
    return Answer(get, *request, response);
  }
  grpc::Status ListOperations(grpc::ServerContext*, const v1::ListOperationsRequest* request,
                              v1::ListOperationsResponse* response) override {
    return Answer(list, *request, response);
  }
  grpc::Status WaitOperation(grpc::ServerContext*, const v1::WaitOperationRequest* request,
                             v1::Operation* response) override {
    return Answer(wait, *request, response);
  }
  grpc::Status CancelOperation(grpc::ServerContext*, const v1::CancelOperationRequest* request,
                               v1::Operation* response) override {
    return Answer(cancel, *request, response);
  }
  grpc::Status DeleteOperation(grpc::ServerContext*, const v1::DeleteOperationRequest* request,
                               google::protobuf::Empty*) override {
    return Answer(remove, *request);
  }
};

struct FakeAuth : v1::AuthService::Service {
  Method<const v1::WhoAmIRequest&, v1::WhoAmIResponse*> who_am_i;
  Method<const v1::ListUsersRequest&, v1::ListUsersResponse*> list_users;
  Method<const v1::SetUserRequest&, v1::SetUserResponse*> set_user;
  Method<const v1::GetQuotaRequest&, v1::GetQuotaResponse*> get_quota;
  Method<const v1::IssueTokenRequest&, v1::IssueTokenResponse*> issue_token;
  Method<const v1::ListTokensRequest&, v1::ListTokensResponse*> list_tokens;
  Method<const v1::RevokeTokenRequest&, v1::RevokeTokenResponse*> revoke_token;

  grpc::Status WhoAmI(grpc::ServerContext*, const v1::WhoAmIRequest* request, v1::WhoAmIResponse* response) override {
    return Answer(who_am_i, *request, response);
  }
  grpc::Status ListUsers(grpc::ServerContext*, const v1::ListUsersRequest* request,
                         v1::ListUsersResponse* response) override {
    return Answer(list_users, *request, response);
  }
  grpc::Status SetUser(grpc::ServerContext*, const v1::SetUserRequest* request,
                       v1::SetUserResponse* response) override {
    return Answer(set_user, *request, response);
  }
  grpc::Status GetQuota(grpc::ServerContext*, const v1::GetQuotaRequest* request,
                        v1::GetQuotaResponse* response) override {
    return Answer(get_quota, *request, response);
  }
  grpc::Status IssueToken(grpc::ServerContext*, const v1::IssueTokenRequest* request,
                          v1::IssueTokenResponse* response) override {
    return Answer(issue_token, *request, response);
  }
  grpc::Status ListTokens(grpc::ServerContext*, const v1::ListTokensRequest* request,
                          v1::ListTokensResponse* response) override {
    return Answer(list_tokens, *request, response);
  }
  grpc::Status RevokeToken(grpc::ServerContext*, const v1::RevokeTokenRequest* request,
                           v1::RevokeTokenResponse* response) override {
    return Answer(revoke_token, *request, response);
  }
};

struct FakeServerService : v1::ServerService::Service {
  Method<v1::ServerInfo*> info;
  Method<const v1::SetLogLevelRequest&, v1::ServerInfo*> set_log_level;
  Method<const v1::GetStorageRequest&, v1::Storage*> storage;

  grpc::Status GetServerInfo(grpc::ServerContext*, const v1::GetServerInfoRequest*, v1::ServerInfo* response) override {
    return Answer(info, response);
  }
  grpc::Status SetLogLevel(grpc::ServerContext*, const v1::SetLogLevelRequest* request,
                           v1::ServerInfo* response) override {
    return Answer(set_log_level, *request, response);
  }
  grpc::Status GetStorage(grpc::ServerContext*, const v1::GetStorageRequest* request, v1::Storage* response) override {
    return Answer(storage, *request, response);
  }
};

struct FakeSweeps : v1::SweepService::Service {
  Method<const v1::CreateSweepRequest&, v1::Sweep*> create_sweep;
  Method<const v1::GetSweepRequest&, v1::Sweep*> get_sweep;
  Method<const v1::ListSweepsRequest&, v1::ListSweepsResponse*> list_sweeps;
  Method<const v1::UpdateSweepRequest&, v1::Sweep*> update_sweep;
  Method<const v1::PauseSweepRequest&, v1::Sweep*> pause_sweep;
  Method<const v1::ResumeSweepRequest&, v1::Sweep*> resume_sweep;
  Method<const v1::StopSweepRequest&, v1::Sweep*> stop_sweep;
  Method<const v1::CancelSweepRequest&, v1::Sweep*> cancel_sweep;
  Method<const v1::DeleteSweepRequest&> delete_sweep;
  Method<const v1::GetTrialRequest&, v1::Trial*> get_trial;
  Method<const v1::ListTrialsRequest&, v1::ListTrialsResponse*> list_trials;
  Method<const v1::ListSweepEntriesRequest&, v1::ListSweepEntriesResponse*> list_entries;
  Method<const v1::RerunTrialRequest&, v1::Trial*> rerun_trial;
  Method<const v1::CreateTrialRequest&, v1::Trial*> create_trial;
  Method<const v1::SuggestTrialsRequest&, v1::SuggestTrialsResponse*> suggest_trials;
  Method<const v1::AddMeasurementRequest&, v1::Trial*> add_measurement;
  Method<const v1::CompleteTrialRequest&, v1::Trial*> complete_trial;
  Method<const v1::ShouldTrialStopRequest&, v1::ShouldTrialStopResponse*> should_stop;

  grpc::Status CreateSweep(grpc::ServerContext*, const v1::CreateSweepRequest* request, v1::Sweep* response) override {
    return Answer(create_sweep, *request, response);
  }
  grpc::Status GetSweep(grpc::ServerContext*, const v1::GetSweepRequest* request, v1::Sweep* response) override {
    return Answer(get_sweep, *request, response);
  }
  grpc::Status ListSweeps(grpc::ServerContext*, const v1::ListSweepsRequest* request,
                          v1::ListSweepsResponse* response) override {
    return Answer(list_sweeps, *request, response);
  }
  grpc::Status UpdateSweep(grpc::ServerContext*, const v1::UpdateSweepRequest* request, v1::Sweep* response) override {
    return Answer(update_sweep, *request, response);
  }
  grpc::Status PauseSweep(grpc::ServerContext*, const v1::PauseSweepRequest* request, v1::Sweep* response) override {
    return Answer(pause_sweep, *request, response);
  }
  grpc::Status ResumeSweep(grpc::ServerContext*, const v1::ResumeSweepRequest* request, v1::Sweep* response) override {
    return Answer(resume_sweep, *request, response);
  }
  grpc::Status StopSweep(grpc::ServerContext*, const v1::StopSweepRequest* request, v1::Sweep* response) override {
    return Answer(stop_sweep, *request, response);
  }
  grpc::Status CancelSweep(grpc::ServerContext*, const v1::CancelSweepRequest* request, v1::Sweep* response) override {
    return Answer(cancel_sweep, *request, response);
  }
  grpc::Status DeleteSweep(grpc::ServerContext*, const v1::DeleteSweepRequest* request,
                           google::protobuf::Empty*) override {
    return Answer(delete_sweep, *request);
  }
  grpc::Status GetTrial(grpc::ServerContext*, const v1::GetTrialRequest* request, v1::Trial* response) override {
    return Answer(get_trial, *request, response);
  }
  grpc::Status ListTrials(grpc::ServerContext*, const v1::ListTrialsRequest* request,
                          v1::ListTrialsResponse* response) override {
    return Answer(list_trials, *request, response);
  }
  grpc::Status ListSweepEntries(grpc::ServerContext*, const v1::ListSweepEntriesRequest* request,
                                v1::ListSweepEntriesResponse* response) override {
    return Answer(list_entries, *request, response);
  }
  grpc::Status RerunTrial(grpc::ServerContext*, const v1::RerunTrialRequest* request, v1::Trial* response) override {
    return Answer(rerun_trial, *request, response);
  }
  grpc::Status CreateTrial(grpc::ServerContext*, const v1::CreateTrialRequest* request, v1::Trial* response) override {
    return Answer(create_trial, *request, response);
  }
  grpc::Status SuggestTrials(grpc::ServerContext*, const v1::SuggestTrialsRequest* request,
                             v1::SuggestTrialsResponse* response) override {
    return Answer(suggest_trials, *request, response);
  }
  grpc::Status AddMeasurement(grpc::ServerContext*, const v1::AddMeasurementRequest* request,
                              v1::Trial* response) override {
    return Answer(add_measurement, *request, response);
  }
  grpc::Status CompleteTrial(grpc::ServerContext*, const v1::CompleteTrialRequest* request,
                             v1::Trial* response) override {
    return Answer(complete_trial, *request, response);
  }
  grpc::Status ShouldTrialStop(grpc::ServerContext*, const v1::ShouldTrialStopRequest* request,
                               v1::ShouldTrialStopResponse* response) override {
    return Answer(should_stop, *request, response);
  }
};

class FakeServer {
 public:
  FakeServer() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(&training);
    builder.RegisterService(&datasets);
    builder.RegisterService(&models);
    builder.RegisterService(&operations);
    builder.RegisterService(&auth);
    builder.RegisterService(&server);
    builder.RegisterService(&sweeps);
    server_ = builder.BuildAndStart();
  }
  ~FakeServer() { server_->Shutdown(std::chrono::system_clock::now()); }

  std::string address() const { return absl::StrCat("127.0.0.1:", port_); }
  Client MakeClient(FakeClock& clock) const {
    ClientOptions options;
    options.server = address();
    options.clock = &clock;
    return Client(std::move(options));
  }

  FakeTraining training;
  FakeDatasets datasets;
  FakeModels models;
  FakeOperations operations;
  FakeAuth auth;
  FakeServerService server;
  FakeSweeps sweeps;

 private:
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

// INVALID_ARGUMENT with a violation for each of `fields`.
inline grpc::Status InvalidFields(const std::vector<std::string>& fields, const std::string& description,
                                  const std::string& message = "bad") {
  rpc::BadRequest bad_request;
  for (const std::string& field : fields) {
    auto* violation = bad_request.add_field_violations();
    violation->set_field(field);
    violation->set_description(description);
  }
  rpc::Status status;
  status.set_code(grpc::StatusCode::INVALID_ARGUMENT);
  status.set_message(message);
  auto* detail = status.add_details();
  detail->set_type_url("type.googleapis.com/google.rpc.BadRequest");
  detail->set_value(bad_request.SerializeAsString());
  return {grpc::StatusCode::INVALID_ARGUMENT, message, status.SerializeAsString()};
}

inline grpc::Status Unavailable() { return grpc::Status(grpc::StatusCode::UNAVAILABLE, "the server restarts"); }

// The same as a server itself says it: with the time after which to try again.
inline grpc::Status UnavailableFor(absl::Duration delay) {
  rpc::RetryInfo info;
  info.mutable_retry_delay()->set_seconds(absl::ToInt64Seconds(delay));
  rpc::Status status;
  status.set_code(grpc::StatusCode::UNAVAILABLE);
  status.set_message("the server restarts");
  auto* detail = status.add_details();
  detail->set_type_url("type.googleapis.com/google.rpc.RetryInfo");
  detail->set_value(info.SerializeAsString());
  return {grpc::StatusCode::UNAVAILABLE, status.message(), status.SerializeAsString()};
}

// Code and message, without what else the status carries.
inline std::string Said(const absl::Status& status) {
  return absl::StrCat(absl::StatusCodeToString(status.code()), ": ", status.message());
}

}  // namespace traind::client
