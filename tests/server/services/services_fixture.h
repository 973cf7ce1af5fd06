// The services through a real channel to a server in this process; workers are fakes.
#pragma once

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/base/checksum.h"
#include "core/checkpoint/checkpoint_dir.h"
#include "server/server.h"
#include "tests/server/fake_launcher.h"
#include "tests/support/file_formats.h"
#include "tests/support/operations.h"
#include "tests/support/temporary_folder.h"
#include "traind/rpc/error_details.pb.h"
#include "traind/rpc/status.pb.h"
#include "traind/v1/dataset_service.grpc.pb.h"
#include "traind/v1/model_service.grpc.pb.h"
#include "traind/v1/training_service.grpc.pb.h"

namespace traind::server {

inline constexpr int kExamples = 20;

// The fields of the violations that the status carries.
inline std::vector<std::string> Fields(const grpc::Status& status) {
  std::vector<std::string> fields;
  rpc::Status rich;
  rpc::BadRequest violations;
  if (rich.ParseFromString(status.error_details()) && rich.details_size() == 1 &&
      violations.ParseFromString(rich.details(0).value())) {
    for (const auto& violation : violations.field_violations()) fields.push_back(violation.field());
  }
  return fields;
}

class ServicesTest : public ::testing::Test {
 protected:
  ServicesTest() {
    std::filesystem::create_directory(root_);
    std::string labels;
    for (int i = 0; i < kExamples; ++i) labels += static_cast<char>(i % 3);
    examples_ = Npy("|u1", "(20, 1, 4, 4)", std::string(kExamples * 16, 'x'));
    WriteBytes(root_ + "/examples.npy", examples_);
    WriteBytes(root_ + "/labels.npy", Npy("|u1", "(20,)", labels));
    Start();
  }

  void Start() {
    server_.reset();
    Config config;
    config.listen = "127.0.0.1:0";
    config.data_dir = folder_.path() + "/data";
    config.dataset_roots = {root_};
    config.threads = 2;
    config.default_threads = default_threads_;
    config.memory_limit = memory_limit_;
    config.metrics_listen = metrics_listen_;
    config.audit_log = audit_log_;
    config.retain = retain_;
    config.retain_plan = retain_plan_;
    auto server = Server::Start(config, &launcher_);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    const auto channel = server_->InProcessChannel();
    training_ = v1::TrainingService::NewStub(channel);
    datasets_ = v1::DatasetService::NewStub(channel);
    models_ = v1::ModelService::NewStub(channel);
    operations_ = v1::OperationService::NewStub(channel);
  }

  v1::ImportDatasetRequest ImportRequest(const std::string& id) {
    v1::ImportDatasetRequest request;
    request.set_dataset_id(id);
    for (const char* name : {"train", "test"}) {
      auto* split = request.add_splits();
      split->set_name(name);
      split->mutable_examples()->set_path("examples.npy");
      split->mutable_labels()->set_path("labels.npy");
    }
    return request;
  }
  // The whole of an import: the call, and the wait for its operation.
  grpc::Status ImportAll(const v1::ImportDatasetRequest& request, v1::Dataset* dataset) {
    grpc::ClientContext context;
    v1::Operation operation;
    const grpc::Status begun = datasets_->ImportDataset(&context, request, &operation);
    return Await(*operations_, begun, operation, dataset);
  }
  void Import(const std::string& id) {
    v1::Dataset dataset;
    const grpc::Status status = ImportAll(ImportRequest(id), &dataset);
    ASSERT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(dataset.name(), "datasets/" + id);
  }
  grpc::Status UploadModel(const std::string& id, const std::string& bytes, v1::Model* model,
                           const v1::UploadModelHeader& header = {}) {
    grpc::ClientContext context;
    auto stream = models_->UploadModel(&context, model);
    v1::UploadModelRequest request;
    *request.mutable_header() = header;
    request.mutable_header()->set_model_id(id);
    request.mutable_header()->set_size_bytes(static_cast<int64_t>(bytes.size()));
    request.mutable_header()->set_crc32(core::Crc32Hex(bytes));
    stream->Write(request);
    request.set_chunk(bytes);
    stream->Write(request);
    stream->WritesDone();
    return stream->Finish();
  }
  static v1::CreateJobRequest JobRequest(const std::string& id) {
    v1::CreateJobRequest request;
    request.set_job_id(id);
    auto* layer = request.mutable_spec()->mutable_network()->add_layers();
    layer->set_name("logits");
    layer->mutable_dense()->set_units(3);
    request.mutable_spec()->mutable_data()->set_dataset("digits");
    request.mutable_spec()->set_batch_size(5);
    request.mutable_spec()->set_epochs(3);
    return request;
  }
  // Whose events a test can count.
  static v1::CreateJobRequest WithoutInsight(const std::string& id) {
    v1::CreateJobRequest request = JobRequest(id);
    request.mutable_spec()->mutable_insight()->set_profile(v1::InsightSpec::PROFILE_OFF);
    return request;
  }
  grpc::Status Create(const v1::CreateJobRequest& request, v1::Job* job) {
    grpc::ClientContext context;
    return training_->CreateJob(&context, request, job);
  }
  // Runs the worker that was started n-th to its end, with `steps` TRAIN events.
  void Finish(size_t n, int steps) {
    auto worker = launcher_.Await(n);
    for (int step = 1; step <= steps; ++step) {
      v1::Event event;
      event.set_step(step);
      event.mutable_train()->set_loss(1.0 / step);
      ASSERT_TRUE(worker->Send({event}).ok());
    }
    worker->End(WorkerExit::Kind::kFinished);
  }
  grpc::Status Watch(const v1::WatchJobRequest& request, std::vector<v1::Event>* events) {
    grpc::ClientContext context;
    auto stream = training_->WatchJob(&context, request);
    v1::WatchJobResponse response;
    while (stream->Read(&response)) events->insert(events->end(), response.events().begin(), response.events().end());
    return stream->Finish();
  }

  // The job "a" of 12 steps on "digits", SUCCEEDED, with checkpoints of these steps as a worker would have written
  // them.
  v1::Job TrainedJob(const std::vector<uint64_t>& steps) {
    Import("digits");
    v1::Job job;
    EXPECT_TRUE(Create(JobRequest("a"), &job).ok());
    const auto worker = launcher_.Await(1);
    for (const uint64_t step : steps) {
      core::CheckpointContent content;
      content.manifest.set_step(step);
      *content.manifest.mutable_spec() = worker->task.train().spec();
      *content.manifest.mutable_trained_on() = worker->task.train().trained_on();
      EXPECT_TRUE(core::SaveCheckpoint(worker->task.train().checkpoint_dir(), content, {}).ok());
    }
    Finish(1, 12);
    std::vector<v1::Event> events;
    v1::WatchJobRequest request;
    request.set_name("jobs/a");
    EXPECT_TRUE(Watch(request, &events).ok());
    return job;
  }

  TemporaryFolder folder_;
  const std::string root_ = folder_.path() + "/root";
  std::string examples_;
  int64_t memory_limit_ = int64_t{1} << 30;
  uint32_t default_threads_ = 0;
  std::string metrics_listen_;
  std::string audit_log_;
  std::vector<std::string> retain_;
  bool retain_plan_ = false;
  FakeLauncher launcher_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<v1::TrainingService::Stub> training_;
  std::unique_ptr<v1::DatasetService::Stub> datasets_;
  std::unique_ptr<v1::ModelService::Stub> models_;
  std::unique_ptr<v1::OperationService::Stub> operations_;
};

}  // namespace traind::server
