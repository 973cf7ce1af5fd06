// The services through a real channel to a server in this process; workers are fakes.
#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/base/checksum.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "server/server.h"
#include "server/services/dataset_service.h"
#include "tests/server/fake_launcher.h"
#include "tests/support/file_formats.h"
#include "tests/support/temporary_folder.h"
#include "traind/v1/dataset_service.grpc.pb.h"
#include "traind/v1/model_service.grpc.pb.h"
#include "traind/v1/training_service.grpc.pb.h"

namespace traind::server {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr int kExamples = 20;

std::vector<std::string> Fields(const grpc::Status& status) {
  std::vector<std::string> fields;
  google::rpc::Status rich;
  google::rpc::BadRequest violations;
  if (rich.ParseFromString(status.error_details()) && rich.details_size() == 1 &&
      rich.details(0).UnpackTo(&violations)) {
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
    config.memory_limit = int64_t{1} << 30;
    auto server = Server::Start(config, &launcher_);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    const auto channel = server_->InProcessChannel();
    training_ = v1::TrainingService::NewStub(channel);
    datasets_ = v1::DatasetService::NewStub(channel);
    models_ = v1::ModelService::NewStub(channel);
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
  void Import(const std::string& id) {
    grpc::ClientContext context;
    v1::Dataset dataset;
    const grpc::Status status = datasets_->ImportDataset(&context, ImportRequest(id), &dataset);
    ASSERT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(dataset.name(), "datasets/" + id);
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
  grpc::Status Upload(const v1::UploadHeader& header, const std::string& bytes, v1::Upload* upload) {
    grpc::ClientContext context;
    auto stream = datasets_->UploadDataset(&context, upload);
    v1::UploadDatasetRequest request;
    *request.mutable_header() = header;
    stream->Write(request);
    request.set_chunk(bytes);
    stream->Write(request);
    stream->WritesDone();
    return stream->Finish();
  }

  // One message there and one back, both as bytes, for services that this project has no .proto file of.
  std::string Call(const std::string& method, const std::string& request) {
    grpc::GenericStub stub(server_->InProcessChannel());
    grpc::ClientContext context;
    grpc::CompletionQueue queue;
    auto call = stub.PrepareCall(&context, method, &queue);
    const auto wait = [&queue] {
      void* tag = nullptr;
      bool ok = false;
      return queue.Next(&tag, &ok) && ok;
    };
    call->StartCall(nullptr);
    EXPECT_TRUE(wait());
    const grpc::Slice slice(request);
    call->WriteLast(grpc::ByteBuffer(&slice, 1), grpc::WriteOptions(), nullptr);
    EXPECT_TRUE(wait());
    grpc::ByteBuffer response;
    call->Read(&response, nullptr);
    EXPECT_TRUE(wait());
    grpc::Status status;
    call->Finish(&status, nullptr);
    EXPECT_TRUE(wait());
    EXPECT_TRUE(status.ok()) << status.error_message();
    std::vector<grpc::Slice> slices;
    response.Dump(&slices);
    std::string bytes;
    for (const grpc::Slice& part : slices) bytes.append(reinterpret_cast<const char*>(part.begin()), part.size());
    return bytes;
  }

  TemporaryFolder folder_;
  const std::string root_ = folder_.path() + "/root";
  std::string examples_;
  FakeLauncher launcher_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<v1::TrainingService::Stub> training_;
  std::unique_ptr<v1::DatasetService::Stub> datasets_;
  std::unique_ptr<v1::ModelService::Stub> models_;
};

TEST_F(ServicesTest, AnImportIsTheWorkOfAWorkerThatMayDie) {
  launcher_.HoldDataTasks();
  grpc::Status status;
  std::thread call([&] {
    grpc::ClientContext context;
    v1::Dataset dataset;
    status = datasets_->ImportDataset(&context, ImportRequest("digits"), &dataset);
  });
  auto worker = launcher_.Await(1);
  ASSERT_EQ(worker->task.import().files_size(), 4);
  EXPECT_EQ(worker->task.import().files(1).file().path(), "labels.npy");
  EXPECT_EQ(worker->task.import().files(1).path(), std::filesystem::canonical(root_ + "/labels.npy"));
  // Half a dataset.
  std::filesystem::create_directories(worker->task.dataset_dir());
  std::ofstream(worker->task.dataset_dir() + "/train.examples.npy") << "half";
  worker->End(WorkerExit::Kind::kCrashed, "killed by signal 11 (SIGSEGV)");
  call.join();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(status.error_message(), HasSubstr("killed by signal 11 (SIGSEGV)"));
  EXPECT_FALSE(std::filesystem::exists(folder_.path() + "/data/datasets/digits"));
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path() + "/data/trash"));
}

TEST_F(ServicesTest, ACallerWhoGoesEndsTheImport) {
  launcher_.HoldDataTasks();
  grpc::ClientContext context;
  grpc::Status status;
  std::thread call([&] {
    v1::Dataset dataset;
    status = datasets_->ImportDataset(&context, ImportRequest("digits"), &dataset);
  });
  auto worker = launcher_.Await(1);
  context.TryCancel();
  call.join();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::CANCELLED);
  absl::MutexLock lock(&worker->mu);
  const auto killed = [&worker]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(worker->mu) { return worker->killed; };
  worker->mu.Await(absl::Condition(&killed));
}

TEST_F(ServicesTest, ViolationsOfAnImportComeFromTheWorker) {
  v1::ImportDatasetRequest request = ImportRequest("digits");
  request.mutable_splits(1)->set_format(v1::CIFAR10);
  request.mutable_splits(1)->clear_labels();
  grpc::ClientContext context;
  v1::Dataset dataset;
  const grpc::Status status = datasets_->ImportDataset(&context, request, &dataset);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(Fields(status), ElementsAre("splits[1].examples"));
  request.mutable_splits(1)->set_name("train");
  grpc::ClientContext again;
  EXPECT_THAT(Fields(datasets_->ImportDataset(&again, request, &dataset)), ElementsAre("splits[1].name"));
}

TEST_F(ServicesTest, DescribesDatasets) {
  Import("digits");
  v1::DescribeDatasetRequest request;
  request.set_name("datasets/digits");
  v1::DatasetDescription description;
  grpc::ClientContext context;
  const grpc::Status status = datasets_->DescribeDataset(&context, request, &description);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(description.dataset().name(), "datasets/digits");
  ASSERT_EQ(description.splits_size(), 2);
  EXPECT_THAT(description.splits(0).class_counts(), ElementsAre(7, 7, 6));
  EXPECT_EQ(description.splits(0).duplicates(), kExamples - 1);
  EXPECT_EQ(description.splits(1).shared_with_first(), kExamples);
  request.set_name("datasets/none");
  grpc::ClientContext missing;
  EXPECT_EQ(datasets_->DescribeDataset(&missing, request, &description).error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(ServicesTest, ImportsListsAndDeletesDatasets) {
  for (const char* id : {"c", "a", "b"}) Import(id);
  v1::ListDatasetsRequest request;
  request.set_page_size(2);
  std::vector<std::string> names;
  do {
    grpc::ClientContext context;
    v1::ListDatasetsResponse response;
    ASSERT_TRUE(datasets_->ListDatasets(&context, request, &response).ok());
    for (const v1::Dataset& dataset : response.datasets()) names.push_back(dataset.name());
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  EXPECT_THAT(names, ElementsAre("datasets/a", "datasets/b", "datasets/c"));

  grpc::ClientContext again;
  v1::Dataset dataset;
  EXPECT_EQ(datasets_->ImportDataset(&again, ImportRequest("a"), &dataset).error_code(),
            grpc::StatusCode::ALREADY_EXISTS);
  v1::DeleteDatasetRequest remove;
  remove.set_name("datasets/a");
  google::protobuf::Empty empty;
  grpc::ClientContext first;
  EXPECT_TRUE(datasets_->DeleteDataset(&first, remove, &empty).ok());
  grpc::ClientContext second;
  EXPECT_EQ(datasets_->DeleteDataset(&second, remove, &empty).error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(ServicesTest, ListsTheDatasetsThereAreForOneThatIsNot) {
  Import("digits");
  grpc::ClientContext context;
  v1::GetDatasetRequest request;
  request.set_name("datasets/digit");
  v1::Dataset dataset;
  const grpc::Status status = datasets_->GetDataset(&context, request, &dataset);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(status.error_message(), "there is no datasets/digit; there are: digits");
}

TEST_F(ServicesTest, AnswersHealthChecksAndReflection) {
  // HealthCheckResponse{status: SERVING}
  EXPECT_EQ(Call("/grpc.health.v1.Health/Check", ""), "\x08\x01");
  // HealthCheckRequest{service: "..."}
  EXPECT_EQ(Call("/grpc.health.v1.Health/Check", "\x0a\x19traind.v1.TrainingService"), "\x08\x01");
  // ServerReflectionRequest{list_services: "*"}
  const std::string services = Call("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", "\x3a\x01*");
  for (const char* name : {"TrainingService", "DatasetService", "ModelService"}) {
    EXPECT_THAT(services, HasSubstr(std::string("traind.v1.") + name));
  }
  EXPECT_THAT(services, HasSubstr("grpc.health.v1.Health"));
}

TEST_F(ServicesTest, ReadsNothingOutsideTheDatasetRoot) {
  std::filesystem::create_symlink("/etc/passwd", root_ + "/link");
  const std::vector<std::string> roots = {root_};
  for (const std::string& path : {std::string("/etc/passwd"), std::string("../data/lock"), std::string("link"),
                                  std::string("/etc/no-such-file"), root_ + "/../data/lock", root_ + "-sibling/file"}) {
    EXPECT_TRUE(absl::IsPermissionDenied(ResolveDataPath(roots, path).status())) << path;
  }
  EXPECT_TRUE(absl::IsNotFound(ResolveDataPath(roots, "none.npy").status()));
  EXPECT_TRUE(ResolveDataPath(roots, "labels.npy").ok());
  EXPECT_TRUE(ResolveDataPath(roots, root_ + "/labels.npy").ok());
}

TEST_F(ServicesTest, NamesEveryViolationOfAJobAtOnce) {
  v1::CreateJobRequest request = JobRequest("Not-An-Id");
  request.mutable_spec()->mutable_data()->set_dataset("none");
  request.mutable_spec()->mutable_network()->mutable_layers(0)->mutable_dense()->set_units(0);
  request.mutable_spec()->mutable_initial_weights()->set_model("none");
  v1::Job job;
  const grpc::Status status = Create(request, &job);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  const std::vector<std::string> fields = Fields(status);
  EXPECT_THAT(fields, Contains("job_id"));
  EXPECT_THAT(fields, Contains("spec.data.dataset"));
  EXPECT_THAT(fields, Contains("spec.initial_weights.model"));
  EXPECT_THAT(status.error_message(), HasSubstr("\nspec.initial_weights.model: must be \"jobs/{id}/"));
  EXPECT_THAT(fields, Contains(StartsWith("spec.network.layers[0]")));
}

TEST_F(ServicesTest, CreatesAJobOnceForARequestAndNoneToValidate) {
  Import("digits");
  v1::CreateJobRequest request = JobRequest("a");
  request.set_validate_only(true);
  v1::Job job;
  ASSERT_TRUE(Create(request, &job).ok());
  EXPECT_EQ(job.progress().total_steps(), 12u);
  EXPECT_EQ(job.resolved_spec().data().dataset(), "datasets/digits");
  v1::GetJobRequest get;
  get.set_name("jobs/a");
  grpc::ClientContext context;
  EXPECT_EQ(training_->GetJob(&context, get, &job).error_code(), grpc::StatusCode::NOT_FOUND);
  request.set_validate_only(false);
  request.set_request_id("r");
  ASSERT_TRUE(Create(request, &job).ok());
  request.set_job_id("b");
  ASSERT_TRUE(Create(request, &job).ok());
  EXPECT_EQ(job.name(), "jobs/a");
  request.clear_request_id();
  request.set_job_id("a");
  EXPECT_EQ(Create(request, &job).error_code(), grpc::StatusCode::ALREADY_EXISTS);
}

TEST_F(ServicesTest, WatchesAJobToItsEndAndResumes) {
  Import("digits");
  v1::Job job;
  ASSERT_TRUE(Create(JobRequest("a"), &job).ok());
  v1::WatchJobRequest request;
  request.set_name("jobs/a");
  std::vector<v1::Event> live;
  grpc::Status status;
  std::thread watcher([&] { status = Watch(request, &live); });
  Finish(1, 50);
  watcher.join();
  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_EQ(live.size(), 53u);
  for (size_t i = 0; i < live.size(); ++i) EXPECT_EQ(live[i].sequence(), static_cast<int64_t>(i) + 1);
  EXPECT_EQ(live.back().state().state(), v1::SUCCEEDED);

  request.set_after_sequence(50);
  std::vector<v1::Event> rest;
  ASSERT_TRUE(Watch(request, &rest).ok());
  EXPECT_EQ(rest.size(), 3u);
  request.set_after_sequence(53);
  rest.clear();
  EXPECT_TRUE(Watch(request, &rest).ok());
  EXPECT_TRUE(rest.empty());
  request.set_after_sequence(54);
  EXPECT_EQ(Watch(request, &rest).error_code(), grpc::StatusCode::OUT_OF_RANGE);
  request.set_after_sequence(-1);
  EXPECT_THAT(Fields(Watch(request, &rest)), ElementsAre("after_sequence"));
  request.set_after_sequence(0);
  request.add_kinds(v1::EVALUATION);
  EXPECT_TRUE(Watch(request, &rest).ok());
  EXPECT_EQ(rest.size(), 3u) << "STATE events always come";
  request.set_name("jobs/none");
  EXPECT_EQ(Watch(request, &rest).error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(ServicesTest, ServesManyWatchersAndThoseWhoLeave) {
  Import("digits");
  v1::Job job;
  ASSERT_TRUE(Create(JobRequest("a"), &job).ok());
  v1::WatchJobRequest request;
  request.set_name("jobs/a");
  grpc::ClientContext leaving;
  auto stream = training_->WatchJob(&leaving, request);
  v1::WatchJobResponse response;
  ASSERT_TRUE(stream->Read(&response));
  leaving.TryCancel();
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
  constexpr int kWatchers = 32;
  std::vector<std::vector<v1::Event>> events(kWatchers);
  std::vector<std::thread> watchers;
  for (auto& list : events) watchers.emplace_back([&] { EXPECT_TRUE(Watch(request, &list).ok()); });
  Finish(1, 40);
  for (std::thread& watcher : watchers) watcher.join();
  for (const auto& list : events) EXPECT_EQ(list.size(), 43u);
}

TEST_F(ServicesTest, KeepsOnlyTheLayersAskedFor) {
  Import("digits");
  v1::Job job;
  ASSERT_TRUE(Create(JobRequest("a"), &job).ok());
  v1::Event event;
  event.set_step(1);
  for (const char* layer : {"other", "logits"}) {
    event.mutable_statistics()->add_layers()->set_layer(layer);
    event.mutable_statistics()->add_parameters()->set_name(std::string(layer) + ".weight");
  }
  ASSERT_TRUE(launcher_.Await(1)->Send({event}).ok());
  launcher_.Await(1)->End(WorkerExit::Kind::kFinished);
  v1::WatchJobRequest request;
  request.set_name("jobs/a");
  request.add_kinds(v1::STATISTICS);
  request.add_layers("logits");
  std::vector<v1::Event> events;
  ASSERT_TRUE(Watch(request, &events).ok());
  int seen = 0;
  for (const v1::Event& each : events) {
    if (!each.has_statistics()) continue;
    ++seen;
    ASSERT_EQ(each.statistics().layers_size(), 1);
    EXPECT_EQ(each.statistics().layers(0).layer(), "logits");
    ASSERT_EQ(each.statistics().parameters_size(), 1);
    EXPECT_EQ(each.statistics().parameters(0).name(), "logits.weight");
  }
  EXPECT_EQ(seen, 1);
  request.add_layers("logit");
  const grpc::Status status = Watch(request, &events);
  EXPECT_THAT(Fields(status), ElementsAre("layers[1]"));
  EXPECT_THAT(status.error_message(), HasSubstr("it has: logits"));
}

TEST_F(ServicesTest, EndsStreamsWhenItShutsDown) {
  Import("digits");
  v1::Job job;
  ASSERT_TRUE(Create(JobRequest("a"), &job).ok());
  launcher_.Await(1);
  v1::WatchJobRequest request;
  request.set_name("jobs/a");
  grpc::ClientContext context;
  auto stream = training_->WatchJob(&context, request);
  v1::WatchJobResponse response;
  ASSERT_TRUE(stream->Read(&response));
  std::thread shutdown([this] { server_->Shutdown(absl::ZeroDuration()); });
  while (stream->Read(&response)) {
  }
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  shutdown.join();
}

TEST_F(ServicesTest, GoesOnWithABrokenUpload) {
  v1::UploadHeader header;
  header.set_upload_id("examples");
  header.set_size_bytes(static_cast<int64_t>(examples_.size()));
  header.set_crc32(core::Crc32Hex(examples_));
  v1::Upload upload;
  const size_t half = examples_.size() / 2;
  EXPECT_EQ(Upload(header, examples_.substr(0, half), &upload).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  Start();  // Committed bytes outlive the server.
  v1::GetUploadRequest get;
  get.set_name("uploads/examples");
  grpc::ClientContext context;
  ASSERT_TRUE(datasets_->GetUpload(&context, get, &upload).ok());
  EXPECT_EQ(upload.committed_bytes(), static_cast<int64_t>(half));
  EXPECT_FALSE(upload.complete());
  header.set_offset(static_cast<int64_t>(half) + 1);
  EXPECT_EQ(Upload(header, "x", &upload).error_code(), grpc::StatusCode::OUT_OF_RANGE);
  header.set_offset(static_cast<int64_t>(half));
  const grpc::Status status = Upload(header, examples_.substr(half), &upload);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_TRUE(upload.complete());

  v1::ImportDatasetRequest request = ImportRequest("digits");
  for (auto& split : *request.mutable_splits()) split.mutable_examples()->set_upload("uploads/examples");
  v1::Dataset dataset;
  grpc::ClientContext importing;
  const grpc::Status imported = datasets_->ImportDataset(&importing, request, &dataset);
  EXPECT_TRUE(imported.ok()) << imported.error_message();
}

TEST_F(ServicesTest, RefusesWrongUploads) {
  v1::UploadHeader header;
  header.set_upload_id("file");
  header.set_size_bytes(4);
  header.set_crc32("00000000");
  v1::Upload upload;
  EXPECT_EQ(Upload(header, "abcd", &upload).error_code(), grpc::StatusCode::DATA_LOSS);
  v1::GetUploadRequest get;
  get.set_name("uploads/file");
  grpc::ClientContext context;
  EXPECT_EQ(datasets_->GetUpload(&context, get, &upload).error_code(), grpc::StatusCode::NOT_FOUND) << "discarded";
  EXPECT_EQ(Upload(header, "abcde", &upload).error_code(), grpc::StatusCode::INVALID_ARGUMENT) << "too long";
  header.set_upload_id("../x");
  header.set_crc32("xyz");
  header.set_size_bytes(0);
  EXPECT_THAT(Fields(Upload(header, "", &upload)),
              ElementsAre("header.upload_id", "header.size_bytes", "header.crc32"));
}

TEST_F(ServicesTest, RefusesAModelThatIsNone) {
  v1::Model model;
  grpc::ClientContext context;
  auto stream = models_->UploadModel(&context, &model);
  v1::UploadModelRequest request;
  request.mutable_header()->set_model_id("m");
  request.mutable_header()->set_size_bytes(4);
  request.mutable_header()->set_crc32(core::Crc32Hex("abcd"));
  stream->Write(request);
  request.set_chunk("abcd");
  stream->Write(request);
  stream->WritesDone();
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path() + "/data/models"));
}

TEST_F(ServicesTest, RunsAProbeInAWorkerAndHandsItsErrorsOn) {
  v1::ProbeNetworkRequest request;
  request.mutable_network()->add_input_shape(8);
  auto* layer = request.mutable_network()->add_layers();
  layer->set_name("a");
  layer->mutable_dense()->set_units(4);
  v1::ProbeNetworkResponse response;
  grpc::Status status;
  std::thread good([&] {
    grpc::ClientContext context;
    status = training_->ProbeNetwork(&context, request, &response);
  });
  WorkerExit exit;
  exit.kind = WorkerExit::Kind::kFinished;
  exit.result.mutable_probe()->mutable_statistics()->add_layers()->set_layer("a");
  launcher_.Await(1)->End(exit);
  good.join();
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.statistics().layers_size(), 1);
  std::thread bad([&] {
    grpc::ClientContext context;
    status = training_->ProbeNetwork(&context, request, &response);
  });
  launcher_.Await(2)->End(WorkerExit::Kind::kCrashed, "killed by signal 11 (SIGSEGV)");
  bad.join();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(status.error_message(), HasSubstr("SIGSEGV"));
}

}  // namespace
}  // namespace traind::server
