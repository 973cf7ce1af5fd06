// The C++ client of traind: jobs, datasets, models and operations over gRPC, with absl::Status in and out and no gRPC
// type in sight.
//
// Calls that are safe to repeat are retried on UNAVAILABLE with growing, jittered waits, never sooner than the server
// asks for (google.rpc.RetryInfo); the others are made once. Whatever makes something gets a request id of its own when
// it has none, so that a retry never makes a second one. A watch, a wait and a transfer go on after a broken connection
// where they stopped. Errors that name fields carry them as a payload: see client/errors.h. Names are full ones,
// "jobs/{id}"; client/names.h makes them from what people type.
//
// Client is thread-safe and cheap to copy; copies share the connection.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "client/clock.h"
#include "client/credentials.h"
#include "client/job_watch.h"
#include "client/prediction_reader.h"
#include "client/retry.h"
#include "traind/v1/auth_service.pb.h"
#include "traind/v1/dataset_service.pb.h"
#include "traind/v1/model_service.pb.h"
#include "traind/v1/operation.pb.h"
#include "traind/v1/server_service.pb.h"
#include "traind/v1/sweep_service.pb.h"
#include "traind/v1/training_service.pb.h"

namespace traind::client {

struct ClientOptions {
  std::string server = "127.0.0.1:50051";
  Credentials credentials;                               // TLS and token; see ReadCredentials.
  absl::Duration call_timeout = absl::Seconds(30);       // Of one call, its retries included.
  absl::Duration long_call_timeout = absl::Minutes(15);  // The same for probes, previews and predictions.
  RetryPolicy call_retry;
  // Of watches, waits and transfers, counted from the last progress: a little over two minutes, time for a server to
  // restart.
  RetryPolicy stream_retry = {.max_attempts = 30};
  RetryObserver on_retry;        // Told of every retry; called by the thread that makes the call.
  Clock* clock = Clock::Real();  // Must outlive the client.
};

// Bytes safe on the other side, of all; called at least at the beginning and the end.
using Progress = std::function<void(int64_t done, int64_t total)>;

// What of a collection is listed, and in which order; the page tokens are followed. See docs/api.md for the languages.
struct ListOptions {
  std::string filter = "";    // "state = RUNNING AND labels.team = vision". Empty: all.
  std::string order_by = "";  // "create_time desc". Empty: as the method says.
  int64_t limit = 0;          // The first so many. 0: all.
  // Takes the names of those that the server cannot read, which are in no list. Null: they are not told.
  std::set<std::string>* unreachable = nullptr;
};

// What ExportModel wrote.
struct ExportedModel {
  std::string model;               // With the number of a checkpoint's step.
  int64_t size_bytes = 0;          // Of the file.
  std::vector<std::string> notes;  // In what it is not what the server does; for people.
};

struct WaitOptions {
  // Told of the operation now and then; called by the thread that waits.
  std::function<void(const v1::Operation&)> observer = nullptr;
  absl::Duration interval = absl::Seconds(1);  // Between two calls of the observer.
  absl::Duration timeout = absl::InfiniteDuration();
  const absl::Notification* interrupt = nullptr;  // Ends the wait, not the operation. Must outlive the call.
};

class Connection;

class Client {
 public:
  explicit Client(ClientOptions options);

  // OK while the server takes work; UNAVAILABLE when it says that it does not, or is not reached. Needs no token and is
  // called once.
  absl::Status CheckHealth();

  // Jobs.
  absl::StatusOr<v1::Job> CreateJob(v1::CreateJobRequest request);
  absl::StatusOr<v1::Job> GetJob(const std::string& name, v1::JobView view = v1::JOB_VIEW_UNSPECIFIED);
  absl::StatusOr<std::vector<v1::Job>> ListJobs(const ListOptions& options = {});  // Newest first.
  absl::StatusOr<v1::Job> UpdateJob(const v1::UpdateJobRequest& request);
  // With an etag the job must have it, and the call is made once.
  absl::StatusOr<v1::Job> CancelJob(const std::string& name, const std::string& etag = "");
  absl::StatusOr<v1::Job> PauseJob(const std::string& name, const std::string& etag = "");
  absl::StatusOr<v1::Job> ResumeJob(const std::string& name, const std::string& etag = "");
  absl::StatusOr<v1::Job> StopJob(const std::string& name, const std::string& etag = "");
  absl::StatusOr<v1::Job> ExtendJob(const v1::ExtendJobRequest& request);  // Once, but with validate_only.
  absl::StatusOr<v1::Job> ForkJob(v1::ForkJobRequest request);
  absl::Status DeleteJob(const std::string& name, const std::string& etag = "");
  // The job's events after request.after_sequence. Connects at the first JobWatch::Next.
  std::unique_ptr<JobWatch> WatchJob(const v1::WatchJobRequest& request);
  absl::StatusOr<v1::Series> GetSeries(const v1::GetSeriesRequest& request);
  absl::StatusOr<v1::ListFindingsResponse> ListFindings(const v1::ListFindingsRequest& request);

  // Networks.
  absl::StatusOr<v1::NetworkDescription> DescribeNetwork(const v1::DescribeNetworkRequest& request);
  absl::StatusOr<v1::ProbeNetworkResponse> ProbeNetwork(const v1::ProbeNetworkRequest& request);
  absl::StatusOr<std::vector<v1::Component>> ListComponents(const ListOptions& options = {});  // No order_by.

  // Datasets. What comes as an operation goes on without this client: see WaitOperation and ResultOf (operation.h).
  absl::StatusOr<v1::Operation> ImportDataset(v1::ImportDatasetRequest request);      // Makes a v1::Dataset.
  absl::StatusOr<v1::Operation> DescribeDataset(v1::DescribeDatasetRequest request);  // A v1::DatasetDescription.
  absl::StatusOr<v1::Dataset> GetDataset(const std::string& name);
  absl::StatusOr<std::vector<v1::Dataset>> ListDatasets(const ListOptions& options = {});  // By name.
  absl::StatusOr<v1::Dataset> UpdateDataset(const v1::UpdateDatasetRequest& request);
  // `force`: also when jobs that have ended were trained on it.
  absl::Status DeleteDataset(const std::string& name, const std::string& etag = "", bool force = false);
  absl::StatusOr<v1::PreviewDatasetResponse> PreviewDataset(const v1::PreviewDatasetRequest& request);
  // Sends one file for a later import, or a folder as a tar archive, and returns the finished upload. Its id is made of
  // the file's size and checksum, and of who sends it: the same file sent again, also by another process, goes on from
  // what the server has.
  absl::StatusOr<v1::Upload> UploadFile(const std::string& path, const Progress& progress = nullptr);
  absl::StatusOr<v1::Upload> GetUpload(const std::string& name);
  absl::StatusOr<std::vector<v1::Upload>> ListUploads(const ListOptions& options = {});  // By name.
  absl::Status DeleteUpload(const std::string& name, const std::string& etag = "");

  // Checkpoints and models.
  absl::StatusOr<v1::Checkpoint> GetCheckpoint(const std::string& name);
  absl::StatusOr<std::vector<v1::Checkpoint>> ListCheckpoints(const std::string& job,
                                                              const ListOptions& options = {});  // Oldest first.
  absl::Status DeleteCheckpoint(const std::string& name, const std::string& etag = "");
  absl::StatusOr<v1::Model> GetModel(const std::string& name);
  absl::StatusOr<std::vector<v1::Model>> ListModels(const ListOptions& options = {});  // By name, without tensors.
  absl::StatusOr<v1::Model> UpdateModel(const v1::UpdateModelRequest& request);
  absl::StatusOr<v1::Model> CreateEnsemble(v1::CreateEnsembleRequest request);
  absl::Status DeleteModel(const std::string& name, const std::string& etag = "");
  // Sends a safetensors file; size and checksum of the header are those of the file. A broken one begins anew.
  absl::StatusOr<v1::Model> UploadModel(v1::UploadModelHeader header, const std::string& path,
                                        const Progress& progress = nullptr);
  // Writes the weights as one safetensors file and returns its size. They go to "<path>.part", which a later call
  // continues, and get their name when the checksum was right and the bytes are durable; an older file at `path` is
  // replaced. ABORTED: another process writes the same file. DATA_LOSS: the checksum is wrong even from the start.
  absl::StatusOr<int64_t> DownloadCheckpoint(const std::string& name, const std::string& path,
                                             const Progress& progress = nullptr);
  // Writes the trained network as a file for other programs, as DownloadCheckpoint does, but that a broken one begins
  // anew. UNIMPLEMENTED names what the format cannot say.
  absl::StatusOr<ExportedModel> ExportModel(const v1::ExportModelRequest& request, const std::string& path,
                                            const Progress& progress = nullptr);
  absl::StatusOr<v1::Operation> Evaluate(v1::EvaluateRequest request);  // Makes a v1::EvaluationMetrics.
  absl::StatusOr<v1::PredictResponse> Predict(const v1::PredictRequest& request);
  absl::StatusOr<v1::Operation> PredictSplit(v1::PredictSplitRequest request);  // A v1::PredictSplitResponse.
  // What a PredictSplit has made, from its example `first` on. Connects at the first PredictionReader::Next.
  std::unique_ptr<PredictionReader> ReadPredictions(const std::string& operation, int64_t first = 0);

  // Operations.
  absl::StatusOr<v1::Operation> GetOperation(const std::string& name);
  absl::StatusOr<std::vector<v1::Operation>> ListOperations(const ListOptions& options = {});  // Newest first, always.
  // The operation when it is done, whether well or not; as it is when the wait was interrupted. Outlasts broken
  // connections and restarts of the server. DEADLINE_EXCEEDED: the timeout. NOT_FOUND: also when it is deleted.
  absl::StatusOr<v1::Operation> WaitOperation(const std::string& name, const WaitOptions& options = {});
  absl::StatusOr<v1::Operation> CancelOperation(const std::string& name);
  absl::Status DeleteOperation(const std::string& name);

  // Sweeps and their trials, "sweeps/{id}/trials/{number}".
  absl::StatusOr<v1::Sweep> CreateSweep(v1::CreateSweepRequest request);
  absl::StatusOr<v1::Sweep> GetSweep(const std::string& name);
  absl::StatusOr<std::vector<v1::Sweep>> ListSweeps(const ListOptions& options = {});  // Newest first; no order_by.
  absl::StatusOr<v1::Sweep> UpdateSweep(const v1::UpdateSweepRequest& request);
  // With an etag the sweep must have it, and the call is made once.
  absl::StatusOr<v1::Sweep> PauseSweep(const std::string& name, const std::string& etag = "");
  absl::StatusOr<v1::Sweep> ResumeSweep(const std::string& name, const std::string& etag = "");
  absl::StatusOr<v1::Sweep> StopSweep(const std::string& name, const std::string& etag = "");
  absl::StatusOr<v1::Sweep> CancelSweep(const std::string& name, const std::string& etag = "");
  absl::Status DeleteSweep(const std::string& name, bool delete_jobs = false, const std::string& etag = "");
  absl::StatusOr<v1::Trial> GetTrial(const std::string& name);
  absl::StatusOr<std::vector<v1::Trial>> ListTrials(const std::string& sweep,
                                                    const ListOptions& options = {});  // By number; no filter.
  // The log behind the entry `after_sequence`; the page tokens are followed.
  absl::StatusOr<std::vector<v1::SweepEntry>> ListSweepEntries(const std::string& sweep, int64_t after_sequence = 0);
  absl::StatusOr<v1::Trial> RerunTrial(const std::string& name);  // Once.
  absl::StatusOr<v1::Trial> CreateTrial(v1::CreateTrialRequest request);
  absl::StatusOr<v1::SuggestTrialsResponse> SuggestTrials(const v1::SuggestTrialsRequest& request);
  absl::StatusOr<v1::Trial> AddMeasurement(const v1::AddMeasurementRequest& request);  // Once.
  absl::StatusOr<v1::Trial> CompleteTrial(const v1::CompleteTrialRequest& request);
  absl::StatusOr<v1::ShouldTrialStopResponse> ShouldTrialStop(const std::string& name);

  // Users, their tokens and quotas.
  absl::StatusOr<v1::User> WhoAmI();  // Who we are; without a name on a server that has no users.
  absl::StatusOr<std::vector<v1::User>> ListUsers(const ListOptions& options = {});  // By name.
  absl::StatusOr<v1::User> SetUser(const v1::SetUserRequest& request);
  absl::StatusOr<v1::GetQuotaResponse> GetQuota(const std::string& name = "");  // Of "users/{user}"; empty: our own.
  absl::StatusOr<v1::IssueTokenResponse> IssueToken(const v1::IssueTokenRequest& request);  // Once.
  absl::StatusOr<std::vector<v1::Token>> ListTokens(const ListOptions& options = {});       // Oldest first.
  absl::StatusOr<v1::Token> RevokeToken(const std::string& name);

  // The server itself.
  absl::StatusOr<v1::ServerInfo> GetServerInfo();
  absl::StatusOr<v1::ServerInfo> SetLogLevel(v1::LogLevel level);
  absl::StatusOr<v1::Storage> GetStorage(bool plan = false);  // With what the rules of retention would remove now.

 private:
  std::shared_ptr<Connection> connection_;
};

}  // namespace traind::client
