// What the integration tests share: a server on a fresh data folder, a small data set that a small network can learn,
// and clients that follow a job across the server's deaths.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "grpcpp/client_context.h"
#include "gtest/gtest.h"
#include "tests/integration/server_process.h"
#include "tests/support/file_formats.h"
#include "tests/support/temporary_folder.h"
#include "traind/v1/dataset_service.grpc.pb.h"
#include "traind/v1/model_service.grpc.pb.h"
#include "traind/v1/operation.grpc.pb.h"
#include "traind/v1/training_service.grpc.pb.h"

namespace traind::integration {

// Longer than anything here takes on a busy machine; a test that reaches it has failed.
inline constexpr absl::Duration kPatience = absl::Seconds(90);

std::unique_ptr<grpc::ClientContext> NewContext();
absl::Time TimeOf(const google::protobuf::Timestamp& timestamp);

// Follows a job from its first event to its terminal one, on a thread of its own, reconnecting with the last sequence
// it has whenever the stream breaks. Fails the test when a number is missing, comes twice, or the stream ends early.
class Watcher {
 public:
  Watcher(const ServerProcess* server, std::string job);
  ~Watcher();
  // Waits until the job is terminal; all its events.
  const std::vector<v1::Event>& Finish();
  // Waits until the events so far satisfy `condition`, or the watcher has ended.
  void Await(const std::function<bool(const std::vector<v1::Event>&)>& condition);
  int connections() const { return connections_; }  // After Finish.

 private:
  void Follow();

  const ServerProcess* const server_;
  const std::string job_;
  absl::Mutex mutex_;
  std::vector<v1::Event> events_ ABSL_GUARDED_BY(mutex_);
  bool done_ ABSL_GUARDED_BY(mutex_) = false;
  int connections_ = 0;
  std::thread thread_;
};

class IntegrationTest : public ::testing::Test {
 protected:
  static constexpr int kFeatures = 8;
  static constexpr int kClasses = 4;
  static constexpr int kTrainExamples = 256;
  static constexpr int kTestExamples = 64;

  // Starts a server with `flags` beside the defaults: two threads for all jobs.
  void StartServer(std::vector<std::string> flags = {});
  // Starts the server again after a Kill or Terminate, with new stubs.
  void RestartServer();
  void TearDown() override;

  // Writes the arrays below --dataset-root and imports them as datasets/points.
  void ImportPoints();
  // A network of two dense layers for it, `steps` steps of 32 examples, a checkpoint every 50.
  static v1::JobSpec PointsJob(uint64_t steps);
  // Creates the job; fails the test when the call does.
  v1::Job Submit(const v1::JobSpec& spec, const std::string& job_id = "");
  v1::Job Get(const std::string& name);
  // Each makes the call and waits for its operation: the error of one or the other.
  grpc::Status Import(const v1::ImportDatasetRequest& request, v1::Dataset* dataset);
  grpc::Status Describe(const v1::DescribeDatasetRequest& request, v1::DatasetDescription* description);
  grpc::Status Evaluate(const v1::EvaluateRequest& request, v1::EvaluationMetrics* metrics);
  grpc::Status PredictSplit(const v1::PredictSplitRequest& request, v1::PredictSplitResponse* predicted);
  // The predictions of an operation, put together; the shape is that of the last part.
  v1::PredictResponse ReadPredictions(const std::string& operation, int64_t first = 0);
  // PauseJob and its like: Steer(&Training::PauseJob, "jobs/a"). Fails the test when the call does.
  using Training = v1::TrainingService::Stub;
  template <class Request>
  v1::Job Steer(grpc::Status (Training::*verb)(grpc::ClientContext*, const Request&, v1::Job*),
                const std::string& name) {
    Request request;
    request.set_name(name);
    return Answer(verb, request);
  }
  template <class Request>
  v1::Job Answer(grpc::Status (Training::*method)(grpc::ClientContext*, const Request&, v1::Job*),
                 const Request& request) {
    v1::Job job;
    const grpc::Status status = (training_.get()->*method)(NewContext().get(), request, &job);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return job;
  }
  v1::Job Extend(const std::string& name, uint64_t steps);
  v1::Job Fork(const std::string& from, const std::string& job_id);
  // Polls until `condition` holds: for what no event tells.
  void AwaitJob(const std::string& name, const std::function<bool(const v1::Job&)>& condition);
  // The bytes of the safetensors file, checked against the checksum that comes with them.
  std::string Download(const std::string& name);
  // Sends a file by the name of an upload, or goes on with it, up to `end`; the server's answer.
  grpc::Status Upload(const std::string& id, const std::string& file, size_t offset, size_t end, v1::Upload* upload);

  TemporaryFolder folder_;
  std::unique_ptr<ServerProcess> server_;
  std::unique_ptr<v1::TrainingService::Stub> training_;
  std::unique_ptr<v1::DatasetService::Stub> datasets_;
  std::unique_ptr<v1::ModelService::Stub> models_;
  std::unique_ptr<v1::OperationService::Stub> operations_;
};

// The test data: points around one corner for each class, the same numbers every time. Row-major [n, kFeatures].
std::vector<float> PointsOf(int n, uint32_t seed);
std::vector<int64_t> LabelsOf(int n);

// A safetensors file of float32 tensors, by name: shape and values.
struct Tensor {
  std::vector<int64_t> shape;
  std::vector<float> values;
};
std::string Safetensors(const std::map<std::string, Tensor>& tensors);
std::map<std::string, Tensor> ParseSafetensors(const std::string& bytes);

// What a job computed, without what may differ between two runs: sequence, time, timing, states, log lines, and
// checkpoints, which are told when they are written.
std::vector<std::string> Computed(const std::vector<v1::Event>& events);
// Shows the first difference only.
void ExpectSame(const std::vector<std::string>& computed, const std::vector<std::string>& expected);

}  // namespace traind::integration
