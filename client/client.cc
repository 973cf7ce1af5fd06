#include "client/client.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/calls.h"
#include "client/connection.h"

namespace traind::client {
namespace {

template <typename Request>
absl::StatusOr<v1::Job> Steer(Connection& connection, Connection::Method<Request, v1::Job> method,
                              const std::string& name, const std::string& etag) {
  // The etag of a change that was made and not heard of would make the second call ABORTED.
  return CallWith(connection, etag.empty(), method, Tagged<Request>(name, etag));
}

}  // namespace

Client::Client(ClientOptions options) : connection_(std::make_shared<Connection>(std::move(options))) {}

absl::Status Client::CheckHealth() {
  const ClientOptions& options = connection_->options();
  return connection_->stub().CheckHealth(options.clock->Now() + options.call_timeout);
}

absl::StatusOr<v1::Job> Client::CreateJob(v1::CreateJobRequest request) {
  return Make(*connection_, &Stub::CreateJob, std::move(request));
}

absl::StatusOr<v1::Job> Client::GetJob(const std::string& name, v1::JobView view) {
  v1::GetJobRequest request = Named<v1::GetJobRequest>(name);
  request.set_view(view);
  return CallWith(*connection_, true, &Stub::GetJob, request);
}

absl::StatusOr<std::vector<v1::Job>> Client::ListJobs(const ListOptions& options) {
  return AllPages(
      *connection_, &Stub::ListJobs, v1::ListJobsRequest(), options,
      [](v1::ListJobsResponse & page) -> auto& { return *page.mutable_jobs(); });
}

absl::StatusOr<v1::Job> Client::UpdateJob(const v1::UpdateJobRequest& request) {
  return CallWith(*connection_, request.job().etag().empty(), &Stub::UpdateJob, request);
}

absl::StatusOr<v1::Job> Client::CancelJob(const std::string& name, const std::string& etag) {
  return Steer(*connection_, &Stub::CancelJob, name, etag);
}

absl::StatusOr<v1::Job> Client::PauseJob(const std::string& name, const std::string& etag) {
  return Steer(*connection_, &Stub::PauseJob, name, etag);
}

absl::StatusOr<v1::Job> Client::ResumeJob(const std::string& name, const std::string& etag) {
  return Steer(*connection_, &Stub::ResumeJob, name, etag);
}

absl::StatusOr<v1::Job> Client::StopJob(const std::string& name, const std::string& etag) {
  return Steer(*connection_, &Stub::StopJob, name, etag);
}

absl::StatusOr<v1::Job> Client::ExtendJob(const v1::ExtendJobRequest& request) {
  return CallWith(*connection_, request.validate_only(), &Stub::ExtendJob, request);
}

absl::StatusOr<v1::Job> Client::ForkJob(v1::ForkJobRequest request) {
  return Make(*connection_, &Stub::ForkJob, std::move(request));
}

absl::Status Client::DeleteJob(const std::string& name, const std::string& etag) {
  return Delete(*connection_, &Stub::DeleteJob, name, etag);
}

std::unique_ptr<JobWatch> Client::WatchJob(const v1::WatchJobRequest& request) {
  return std::make_unique<JobWatch>(connection_, request);
}

absl::StatusOr<v1::Series> Client::GetSeries(const v1::GetSeriesRequest& request) {
  return CallWith(*connection_, true, &Stub::GetSeries, request);
}

absl::StatusOr<v1::ListFindingsResponse> Client::ListFindings(const v1::ListFindingsRequest& request) {
  return CallWith(*connection_, true, &Stub::ListFindings, request);
}

absl::StatusOr<v1::NetworkDescription> Client::DescribeNetwork(const v1::DescribeNetworkRequest& request) {
  return CallWith(*connection_, true, &Stub::DescribeNetwork, request);
}

absl::StatusOr<v1::ProbeNetworkResponse> Client::ProbeNetwork(const v1::ProbeNetworkRequest& request) {
  return connection_->Idempotent(&Stub::ProbeNetwork, request, connection_->options().long_call_timeout);
}

absl::StatusOr<std::vector<v1::Component>> Client::ListComponents(const ListOptions& options) {
  return AllPages(
      *connection_, &Stub::ListComponents, v1::ListComponentsRequest(), options,
      [](v1::ListComponentsResponse & page) -> auto& { return *page.mutable_components(); });
}

absl::StatusOr<v1::Operation> Client::ImportDataset(v1::ImportDatasetRequest request) {
  return Make(*connection_, &Stub::ImportDataset, std::move(request));
}

absl::StatusOr<v1::Operation> Client::DescribeDataset(v1::DescribeDatasetRequest request) {
  return Make(*connection_, &Stub::DescribeDataset, std::move(request));
}

absl::StatusOr<v1::Dataset> Client::GetDataset(const std::string& name) {
  return CallWith(*connection_, true, &Stub::GetDataset, Named<v1::GetDatasetRequest>(name));
}

absl::StatusOr<std::vector<v1::Dataset>> Client::ListDatasets(const ListOptions& options) {
  return AllPages(
      *connection_, &Stub::ListDatasets, v1::ListDatasetsRequest(), options,
      [](v1::ListDatasetsResponse & page) -> auto& { return *page.mutable_datasets(); });
}

absl::StatusOr<v1::Dataset> Client::UpdateDataset(const v1::UpdateDatasetRequest& request) {
  return CallWith(*connection_, request.dataset().etag().empty(), &Stub::UpdateDataset, request);
}

absl::Status Client::DeleteDataset(const std::string& name, const std::string& etag, bool force) {
  auto request = Tagged<v1::DeleteDatasetRequest>(name, etag);
  request.set_force(force);
  return CallWith(*connection_, false, &Stub::DeleteDataset, request).status();
}

absl::StatusOr<v1::PreviewDatasetResponse> Client::PreviewDataset(const v1::PreviewDatasetRequest& request) {
  return connection_->Idempotent(&Stub::PreviewDataset, request, connection_->options().long_call_timeout);
}

absl::StatusOr<v1::Upload> Client::GetUpload(const std::string& name) {
  return CallWith(*connection_, true, &Stub::GetUpload, Named<v1::GetUploadRequest>(name));
}

absl::StatusOr<std::vector<v1::Upload>> Client::ListUploads(const ListOptions& options) {
  return AllPages(
      *connection_, &Stub::ListUploads, v1::ListUploadsRequest(), options,
      [](v1::ListUploadsResponse & page) -> auto& { return *page.mutable_uploads(); });
}

absl::Status Client::DeleteUpload(const std::string& name, const std::string& etag) {
  return Delete(*connection_, &Stub::DeleteUpload, name, etag);
}

absl::StatusOr<v1::Checkpoint> Client::GetCheckpoint(const std::string& name) {
  return CallWith(*connection_, true, &Stub::GetCheckpoint, Named<v1::GetCheckpointRequest>(name));
}

absl::StatusOr<std::vector<v1::Checkpoint>> Client::ListCheckpoints(const std::string& job,
                                                                    const ListOptions& options) {
  v1::ListCheckpointsRequest request;
  request.set_parent(job);
  return AllPages(
      *connection_, &Stub::ListCheckpoints, std::move(request), options,
      [](v1::ListCheckpointsResponse & page) -> auto& { return *page.mutable_checkpoints(); });
}

absl::Status Client::DeleteCheckpoint(const std::string& name, const std::string& etag) {
  return Delete(*connection_, &Stub::DeleteCheckpoint, name, etag);
}

absl::StatusOr<v1::Model> Client::GetModel(const std::string& name) {
  return CallWith(*connection_, true, &Stub::GetModel, Named<v1::GetModelRequest>(name));
}

absl::StatusOr<std::vector<v1::Model>> Client::ListModels(const ListOptions& options) {
  return AllPages(
      *connection_, &Stub::ListModels, v1::ListModelsRequest(), options,
      [](v1::ListModelsResponse & page) -> auto& { return *page.mutable_models(); });
}

absl::StatusOr<v1::Model> Client::UpdateModel(const v1::UpdateModelRequest& request) {
  return CallWith(*connection_, request.model().etag().empty(), &Stub::UpdateModel, request);
}

absl::StatusOr<v1::Model> Client::CreateEnsemble(v1::CreateEnsembleRequest request) {
  if (request.request_id().empty()) request.set_request_id(NewRequestId());
  return connection_->Idempotent(&Stub::CreateEnsemble, request, connection_->options().long_call_timeout);
}

absl::Status Client::DeleteModel(const std::string& name, const std::string& etag) {
  return Delete(*connection_, &Stub::DeleteModel, name, etag);
}

absl::StatusOr<v1::Operation> Client::Evaluate(v1::EvaluateRequest request) {
  return Make(*connection_, &Stub::Evaluate, std::move(request));
}

absl::StatusOr<v1::PredictResponse> Client::Predict(const v1::PredictRequest& request) {
  return connection_->Idempotent(&Stub::Predict, request, connection_->options().long_call_timeout);
}

absl::StatusOr<v1::Operation> Client::PredictSplit(v1::PredictSplitRequest request) {
  return Make(*connection_, &Stub::PredictSplit, std::move(request));
}

std::unique_ptr<PredictionReader> Client::ReadPredictions(const std::string& operation, int64_t first) {
  v1::ReadPredictionsRequest request;
  request.set_operation(operation);
  request.set_first(first);
  return std::make_unique<PredictionReader>(connection_, std::move(request));
}

absl::StatusOr<v1::Operation> Client::GetOperation(const std::string& name) {
  return CallWith(*connection_, true, &Stub::GetOperation, Named<v1::GetOperationRequest>(name));
}

absl::StatusOr<std::vector<v1::Operation>> Client::ListOperations(const ListOptions& options) {
  return AllPages(
      *connection_, &Stub::ListOperations, v1::ListOperationsRequest(), options,
      [](v1::ListOperationsResponse & page) -> auto& { return *page.mutable_operations(); });
}

absl::StatusOr<v1::Operation> Client::WaitOperation(const std::string& name, const WaitOptions& options) {
  // What an answer may take beyond the wait that was asked for.
  constexpr absl::Duration kGrace = absl::Seconds(10);
  Clock& clock = *connection_->options().clock;
  const absl::Time end = clock.Now() + options.timeout;
  Backoff backoff(connection_->options().stream_retry, connection_->NextSeed());
  v1::WaitOperationRequest request = Named<v1::WaitOperationRequest>(name);
  absl::StatusOr<v1::Operation> operation = GetOperation(name);
  while (true) {
    if (operation.ok()) {
      backoff.Reset();
      if (options.observer) options.observer(*operation);
      if (operation->done() || (options.interrupt != nullptr && options.interrupt->HasBeenNotified())) return operation;
    } else {
      // The server was too busy to answer; the operation does not mind.
      const bool late = absl::IsDeadlineExceeded(operation.status());
      const absl::Status failure = late ? absl::UnavailableError(operation.status().message()) : operation.status();
      if (absl::Status status = connection_->WaitAfter(failure, backoff, options.interrupt); !status.ok())
        return status;
      if (options.interrupt != nullptr && options.interrupt->HasBeenNotified()) return failure;
    }
    const absl::Duration wait = std::min(options.interval, end - clock.Now());
    if (wait <= absl::ZeroDuration()) {
      return absl::DeadlineExceededError(absl::StrCat(name, " is not done yet; it goes on at the server"));
    }
    request.mutable_timeout()->set_seconds(absl::ToInt64Seconds(wait));
    request.mutable_timeout()->set_nanos(
        static_cast<int32_t>(absl::ToInt64Nanoseconds(wait - absl::Seconds(absl::ToInt64Seconds(wait)))));
    operation = connection_->Once(&Stub::WaitOperation, request, wait + kGrace);
  }
}

absl::StatusOr<v1::Operation> Client::CancelOperation(const std::string& name) {
  return CallWith(*connection_, true, &Stub::CancelOperation, Named<v1::CancelOperationRequest>(name));
}

absl::Status Client::DeleteOperation(const std::string& name) {
  return CallWith(*connection_, false, &Stub::DeleteOperation, Named<v1::DeleteOperationRequest>(name)).status();
}

absl::StatusOr<v1::User> Client::WhoAmI() {
  auto response = CallWith(*connection_, true, &Stub::WhoAmI, v1::WhoAmIRequest());
  if (!response.ok()) return response.status();
  return std::move(*response->mutable_user());
}

absl::StatusOr<std::vector<v1::User>> Client::ListUsers(const ListOptions& options) {
  return AllPages(
      *connection_, &Stub::ListUsers, v1::ListUsersRequest(), options,
      [](v1::ListUsersResponse & page) -> auto& { return *page.mutable_users(); });
}

absl::StatusOr<v1::GetQuotaResponse> Client::GetQuota(const std::string& name) {
  return CallWith(*connection_, true, &Stub::GetQuota, Named<v1::GetQuotaRequest>(name));
}

absl::StatusOr<v1::User> Client::SetUser(const v1::SetUserRequest& request) {
  auto response = CallWith(*connection_, true, &Stub::SetUser, request);
  if (!response.ok()) return response.status();
  return std::move(*response->mutable_user());
}

absl::StatusOr<v1::IssueTokenResponse> Client::IssueToken(const v1::IssueTokenRequest& request) {
  return CallWith(*connection_, false, &Stub::IssueToken, request);
}

absl::StatusOr<std::vector<v1::Token>> Client::ListTokens(const ListOptions& options) {
  return AllPages(
      *connection_, &Stub::ListTokens, v1::ListTokensRequest(), options,
      [](v1::ListTokensResponse & page) -> auto& { return *page.mutable_tokens(); });
}

absl::StatusOr<v1::Token> Client::RevokeToken(const std::string& name) {
  auto response = CallWith(*connection_, true, &Stub::RevokeToken, Named<v1::RevokeTokenRequest>(name));
  if (!response.ok()) return response.status();
  return std::move(*response->mutable_token());
}

absl::StatusOr<v1::ServerInfo> Client::GetServerInfo() {
  return CallWith(*connection_, true, &Stub::GetServerInfo, v1::GetServerInfoRequest());
}

absl::StatusOr<v1::ServerInfo> Client::SetLogLevel(v1::LogLevel level) {
  v1::SetLogLevelRequest request;
  request.set_level(level);
  return CallWith(*connection_, true, &Stub::SetLogLevel, request);
}

absl::StatusOr<v1::Storage> Client::GetStorage(bool plan) {
  v1::GetStorageRequest request;
  request.set_plan(plan);
  return CallWith(*connection_, true, &Stub::GetStorage, request);
}

}  // namespace traind::client
