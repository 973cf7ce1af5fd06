// The C++ client of traind: jobs, datasets and models over gRPC, with absl::Status in and out and no gRPC type in
// sight.
//
// Calls that are safe to repeat are retried on UNAVAILABLE with growing, jittered waits; the others are made once.
// A watch and a transfer go on after a broken connection where they stopped. Errors that name fields carry them as
// a payload: see client/errors.h. Names are full ones, "jobs/{id}"; client/names.h makes them from what people type.
//
// Client is thread-safe and cheap to copy; copies share the connection.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/clock.h"
#include "client/job_watch.h"
#include "client/retry.h"
#include "traind/v1/dataset_service.pb.h"
#include "traind/v1/model_service.pb.h"
#include "traind/v1/training_service.pb.h"

namespace traind::client {

struct ClientOptions {
  std::string server = "127.0.0.1:50051";
  absl::Duration call_timeout = absl::Seconds(30);       // Of one call, its retries included.
  absl::Duration long_call_timeout = absl::Minutes(15);  // The same for imports, evaluation, prediction and probes.
  RetryPolicy call_retry;
  // Of watches and transfers, counted from the last progress: a little over two minutes, time for a server to restart.
  RetryPolicy stream_retry = {.max_attempts = 30};
  RetryObserver on_retry;        // Told of every retry; called by the thread that makes the call.
  Clock* clock = Clock::Real();  // Must outlive the client.
};

// Bytes safe on the other side, of all; called at least at the beginning and the end.
using Progress = std::function<void(int64_t done, int64_t total)>;

class Connection;

class Client {
 public:
  explicit Client(ClientOptions options);

  // Jobs. CreateJob gives the request an id of its own when it has none, so that a retry never makes a second job.
  absl::StatusOr<v1::Job> CreateJob(v1::CreateJobRequest request);
  absl::StatusOr<v1::Job> GetJob(const std::string& name, v1::JobView view = v1::JOB_VIEW_UNSPECIFIED);
  absl::StatusOr<std::vector<v1::Job>> ListJobs(const std::vector<v1::JobState>& states);  // All pages.
  absl::StatusOr<v1::Job> CancelJob(const std::string& name);
  absl::Status DeleteJob(const std::string& name);
  // The job's events after request.after_sequence. Connects at the first JobWatch::Next.
  std::unique_ptr<JobWatch> WatchJob(const v1::WatchJobRequest& request);

  // Networks.
  absl::StatusOr<v1::NetworkDescription> DescribeNetwork(const v1::DescribeNetworkRequest& request);
  absl::StatusOr<v1::ProbeNetworkResponse> ProbeNetwork(const v1::ProbeNetworkRequest& request);
  absl::StatusOr<v1::ListComponentsResponse> ListComponents();

  // Datasets.
  absl::StatusOr<v1::Dataset> ImportDataset(v1::ImportDatasetRequest request);  // Waits for the operation.
  absl::StatusOr<v1::Dataset> GetDataset(const std::string& name);
  absl::StatusOr<v1::PreviewDatasetResponse> PreviewDataset(const v1::PreviewDatasetRequest& request);
  absl::StatusOr<v1::DatasetDescription> DescribeDataset(const std::string& name);  // As ImportDataset.
  absl::StatusOr<std::vector<v1::Dataset>> ListDatasets();                          // All pages.
  absl::Status DeleteDataset(const std::string& name);
  // Sends one file for a later import and returns the finished upload. Its id is made of the file's size and checksum:
  // the same file sent again, also by another process, goes on from what the server has.
  absl::StatusOr<v1::Upload> UploadFile(const std::string& path, const Progress& progress = nullptr);

  // Models.
  absl::StatusOr<std::vector<v1::Checkpoint>> ListCheckpoints(const std::string& job);
  // Sends a safetensors file. The API has no way to go on with a broken one: it fails and can be called again.
  absl::StatusOr<v1::Model> UploadModel(const std::string& model_id, const std::string& path,
                                        const Progress& progress = nullptr);
  // Writes the weights as one safetensors file and returns its size. They go to "<path>.part", which a later call
  // continues, and get their name when the checksum was right and the bytes are durable; an older file at `path` is
  // replaced. ABORTED: another process writes the same file. DATA_LOSS: the checksum is wrong even from the start.
  absl::StatusOr<int64_t> DownloadCheckpoint(const std::string& name, const std::string& path,
                                             const Progress& progress = nullptr);
  absl::StatusOr<v1::EvaluationMetrics> Evaluate(v1::EvaluateRequest request);  // As ImportDataset.
  absl::StatusOr<v1::PredictResponse> Predict(const v1::PredictRequest& request);
  absl::StatusOr<v1::PredictResponse> PredictSplit(v1::PredictSplitRequest request);  // As ImportDataset; in one piece.

 private:
  std::shared_ptr<Connection> connection_;
};

}  // namespace traind::client
