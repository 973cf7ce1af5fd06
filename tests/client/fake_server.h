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
#include "traind/v1/dataset_service.grpc.pb.h"
#include "traind/v1/model_service.grpc.pb.h"
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

// As an operation that is done at once.
template <typename Request, typename Made>
grpc::Status AnswerDone(const Method<const Request&, Made*>& method, const Request& request, v1::Operation* operation) {
  Made made;
  const grpc::Status status = Answer(method, request, &made);
  operation->set_name("operations/o");
  operation->set_done(true);
  operation->mutable_response()->PackFrom(made);
  return status;
}

struct FakeTraining : v1::TrainingService::Service {
  Method<const v1::CreateJobRequest&, v1::Job*> create_job;
  Method<const v1::GetJobRequest&, v1::Job*> get_job;
  Method<const v1::ListJobsRequest&, v1::ListJobsResponse*> list_jobs;
  Method<const v1::DeleteJobRequest&> delete_job;
  Method<const v1::WatchJobRequest&, grpc::ServerWriter<v1::WatchJobResponse>*> watch_job;
  Method<const v1::ProbeNetworkRequest&, v1::ProbeNetworkResponse*> probe_network;

  grpc::Status CreateJob(grpc::ServerContext*, const v1::CreateJobRequest* request, v1::Job* job) override {
    return Answer(create_job, *request, job);
  }
  grpc::Status GetJob(grpc::ServerContext*, const v1::GetJobRequest* request, v1::Job* job) override {
    return Answer(get_job, *request, job);
  }
  grpc::Status ListJobs(grpc::ServerContext*, const v1::ListJobsRequest* request,
                        v1::ListJobsResponse* response) override {
    return Answer(list_jobs, *request, response);
  }
  grpc::Status DeleteJob(grpc::ServerContext*, const v1::DeleteJobRequest* request, google::protobuf::Empty*) override {
    return Answer(delete_job, *request);
  }
  grpc::Status WatchJob(grpc::ServerContext*, const v1::WatchJobRequest* request,
                        grpc::ServerWriter<v1::WatchJobResponse>* writer) override {
    return Answer(watch_job, *request, writer);
  }
  grpc::Status ProbeNetwork(grpc::ServerContext*, const v1::ProbeNetworkRequest* request,
                            v1::ProbeNetworkResponse* response) override {
    return Answer(probe_network, *request, response);
  }
};

struct FakeDatasets : v1::DatasetService::Service {
  Method<const v1::GetUploadRequest&, v1::Upload*> get_upload;
  Method<grpc::ServerReader<v1::UploadDatasetRequest>*, v1::Upload*> upload;
  Method<const v1::ImportDatasetRequest&, v1::Dataset*> import_dataset;
  Method<const v1::DescribeDatasetRequest&, v1::DatasetDescription*> describe_dataset;
  Method<const v1::PreviewDatasetRequest&, v1::PreviewDatasetResponse*> preview_dataset;

  grpc::Status GetUpload(grpc::ServerContext*, const v1::GetUploadRequest* request, v1::Upload* result) override {
    return Answer(get_upload, *request, result);
  }
  grpc::Status UploadDataset(grpc::ServerContext*, grpc::ServerReader<v1::UploadDatasetRequest>* reader,
                             v1::Upload* result) override {
    return Answer(upload, reader, result);
  }
  grpc::Status ImportDataset(grpc::ServerContext*, const v1::ImportDatasetRequest* request,
                             v1::Operation* operation) override {
    return AnswerDone(import_dataset, *request, operation);
  }
  grpc::Status DescribeDataset(grpc::ServerContext*, const v1::DescribeDatasetRequest* request,
                               v1::Operation* operation) override {
    return AnswerDone(describe_dataset, *request, operation);
  }
  grpc::Status PreviewDataset(grpc::ServerContext*, const v1::PreviewDatasetRequest* request,
                              v1::PreviewDatasetResponse* response) override {
    return Answer(preview_dataset, *request, response);
  }
};

struct FakeModels : v1::ModelService::Service {
  Method<const v1::DownloadCheckpointRequest&, grpc::ServerWriter<v1::DownloadCheckpointResponse>*> download;

  grpc::Status DownloadCheckpoint(grpc::ServerContext*, const v1::DownloadCheckpointRequest* request,
                                  grpc::ServerWriter<v1::DownloadCheckpointResponse>* writer) override {
    return Answer(download, *request, writer);
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

 private:
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

inline grpc::Status Unavailable() { return grpc::Status(grpc::StatusCode::UNAVAILABLE, "the server restarts"); }

}  // namespace traind::client
