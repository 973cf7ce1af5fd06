#include "client/client.h"

#include <random>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/connection.h"
#include "client/enum_names.h"
#include "client/errors.h"

namespace traind::client {
namespace {

// 128 random bits: two calls never share them.
std::string RandomRequestId() {
  std::random_device device;
  return absl::StrFormat("%08x%08x%08x%08x", device(), device(), device(), device());
}

// Follows the page tokens of a List method. `items` takes the repeated field out of a response.
template <typename Item, typename Request, typename Response, typename Items>
absl::StatusOr<std::vector<Item>> AllPages(Connection& connection, Connection::Method<Request, Response> method,
                                           Request request, Items items) {
  std::vector<Item> all;
  // The API's most.
  request.set_page_size(500);
  do {
    absl::StatusOr<Response> page = connection.Idempotent(method, request, connection.options().call_timeout);
    if (!page.ok()) return page.status();
    for (Item& item : *items(*page)) all.push_back(std::move(item));
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  return all;
}

// Asks for an operation, waits until it is done and takes what it made.
template <typename Made, typename Request>
absl::StatusOr<Made> RunOperation(Connection& connection, Connection::Method<Request, v1::Operation> method,
                                  Request request) {
  if (request.request_id().empty()) request.set_request_id(RandomRequestId());
  const absl::Time end = connection.options().clock->Now() + connection.options().long_call_timeout;
  absl::StatusOr<v1::Operation> operation = connection.Idempotent(method, request, connection.options().call_timeout);
  while (operation.ok() && !operation->done()) {
    if (connection.options().clock->Now() >= end) {
      return absl::DeadlineExceededError(operation->name() + " is not done yet; it goes on in the server");
    }
    v1::WaitOperationRequest wait;
    wait.set_name(operation->name());
    operation = connection.Idempotent(&Stub::WaitOperation, wait, connection.options().call_timeout);
  }
  if (!operation.ok()) return operation.status();
  if (operation->has_error()) {
    return MakeStatus(operation->error().code(), operation->error().message(), operation->error().SerializeAsString());
  }
  Made made;
  if (!operation->response().UnpackTo(&made)) {
    return absl::InternalError(operation->name() + " has made something else: " + operation->response().type_url());
  }
  return made;
}

}  // namespace

Client::Client(ClientOptions options) : connection_(std::make_shared<Connection>(std::move(options))) {}

absl::StatusOr<v1::Job> Client::CreateJob(v1::CreateJobRequest request) {
  if (request.request_id().empty()) request.set_request_id(RandomRequestId());
  return connection_->Idempotent(&Stub::CreateJob, request, connection_->options().call_timeout);
}

absl::StatusOr<v1::Job> Client::GetJob(const std::string& name, v1::JobView view) {
  v1::GetJobRequest request;
  request.set_name(name);
  request.set_view(view);
  return connection_->Idempotent(&Stub::GetJob, request, connection_->options().call_timeout);
}

absl::StatusOr<std::vector<v1::Job>> Client::ListJobs(const std::vector<v1::JobState>& states) {
  v1::ListJobsRequest request;
  std::vector<std::string> wanted;
  for (const v1::JobState state : states) wanted.push_back("state = " + EnumName(state));
  request.set_filter(absl::StrJoin(wanted, " OR "));
  return AllPages<v1::Job>(*connection_, &Stub::ListJobs, request,
                           [](v1::ListJobsResponse& response) { return response.mutable_jobs(); });
}

absl::StatusOr<v1::Job> Client::CancelJob(const std::string& name) {
  v1::CancelJobRequest request;
  request.set_name(name);
  return connection_->Idempotent(&Stub::CancelJob, request, connection_->options().call_timeout);
}

absl::Status Client::DeleteJob(const std::string& name) {
  v1::DeleteJobRequest request;
  request.set_name(name);
  return connection_->Once(&Stub::DeleteJob, request, connection_->options().call_timeout).status();
}

std::unique_ptr<JobWatch> Client::WatchJob(const v1::WatchJobRequest& request) {
  return std::make_unique<JobWatch>(connection_, request);
}

absl::StatusOr<v1::NetworkDescription> Client::DescribeNetwork(const v1::DescribeNetworkRequest& request) {
  return connection_->Idempotent(&Stub::DescribeNetwork, request, connection_->options().call_timeout);
}

absl::StatusOr<v1::ProbeNetworkResponse> Client::ProbeNetwork(const v1::ProbeNetworkRequest& request) {
  return connection_->Idempotent(&Stub::ProbeNetwork, request, connection_->options().long_call_timeout);
}

absl::StatusOr<v1::ListComponentsResponse> Client::ListComponents() {
  return connection_->Idempotent(&Stub::ListComponents, v1::ListComponentsRequest(),
                                 connection_->options().call_timeout);
}

absl::StatusOr<v1::Dataset> Client::ImportDataset(v1::ImportDatasetRequest request) {
  return RunOperation<v1::Dataset>(*connection_, &Stub::ImportDataset, std::move(request));
}

absl::StatusOr<v1::PreviewDatasetResponse> Client::PreviewDataset(const v1::PreviewDatasetRequest& request) {
  return connection_->Idempotent(&Stub::PreviewDataset, request, connection_->options().long_call_timeout);
}

absl::StatusOr<v1::Dataset> Client::GetDataset(const std::string& name) {
  v1::GetDatasetRequest request;
  request.set_name(name);
  return connection_->Idempotent(&Stub::GetDataset, request, connection_->options().call_timeout);
}

absl::StatusOr<v1::DatasetDescription> Client::DescribeDataset(const std::string& name) {
  v1::DescribeDatasetRequest request;
  request.set_name(name);
  return RunOperation<v1::DatasetDescription>(*connection_, &Stub::DescribeDataset, std::move(request));
}

absl::StatusOr<std::vector<v1::Dataset>> Client::ListDatasets() {
  return AllPages<v1::Dataset>(*connection_, &Stub::ListDatasets, v1::ListDatasetsRequest(),
                               [](v1::ListDatasetsResponse& response) { return response.mutable_datasets(); });
}

absl::Status Client::DeleteDataset(const std::string& name) {
  v1::DeleteDatasetRequest request;
  request.set_name(name);
  return connection_->Once(&Stub::DeleteDataset, request, connection_->options().call_timeout).status();
}

absl::StatusOr<std::vector<v1::Checkpoint>> Client::ListCheckpoints(const std::string& job) {
  v1::ListCheckpointsRequest request;
  request.set_parent(job);
  auto response = connection_->Idempotent(&Stub::ListCheckpoints, request, connection_->options().call_timeout);
  if (!response.ok()) return response.status();
  return std::vector<v1::Checkpoint>(response->checkpoints().begin(), response->checkpoints().end());
}

absl::StatusOr<v1::EvaluationMetrics> Client::Evaluate(v1::EvaluateRequest request) {
  return RunOperation<v1::EvaluationMetrics>(*connection_, &Stub::Evaluate, std::move(request));
}

absl::StatusOr<v1::PredictResponse> Client::Predict(const v1::PredictRequest& request) {
  return connection_->Idempotent(&Stub::Predict, request, connection_->options().long_call_timeout);
}

absl::StatusOr<v1::PredictResponse> Client::PredictSplit(v1::PredictSplitRequest request) {
  auto made = RunOperation<v1::PredictSplitResponse>(*connection_, &Stub::PredictSplit, std::move(request));
  if (!made.ok()) return made.status();
  v1::ReadPredictionsRequest read;
  read.set_operation(made->operation());
  const auto stream = connection_->stub().ReadPredictions(read);
  v1::PredictResponse all;
  for (v1::PredictResponse part; stream->Read(&part);) {
    part.clear_shape();
    const int64_t first = all.outputs_size() > 0 ? all.first() : part.first();
    all.MergeFrom(part);
    all.set_first(first);
  }
  if (absl::Status status = stream->Finish(); !status.ok()) return status;
  all.add_shape(made->examples());
  all.add_shape(made->outputs());
  return all;
}

}  // namespace traind::client
