#include "tests/integration/fixture.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>
#include <random>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "tests/support/operations.h"

namespace traind::integration {

std::unique_ptr<grpc::ClientContext> NewContext() {
  auto context = std::make_unique<grpc::ClientContext>();
  context->set_deadline(std::chrono::system_clock::now() + absl::ToChronoSeconds(kPatience));
  return context;
}

absl::Time TimeOf(const google::protobuf::Timestamp& timestamp) {
  return absl::FromUnixSeconds(timestamp.seconds()) + absl::Nanoseconds(timestamp.nanos());
}

Watcher::Watcher(const ServerProcess* server, std::string job)
    : server_(server), job_(std::move(job)), thread_([this] { Follow(); }) {}

Watcher::~Watcher() {
  if (thread_.joinable()) thread_.join();
}

void Watcher::Follow() {
  const absl::Time deadline = absl::Now() + kPatience;
  bool terminal = false, ended = false;
  while (!ended && absl::Now() < deadline) {
    const int endings = server_->endings();
    const auto stub = v1::TrainingService::NewStub(server_->NewChannel());
    const auto context = NewContext();
    v1::WatchJobRequest request;
    request.set_name(job_);
    {
      absl::MutexLock lock(&mutex_);
      request.set_after_sequence(static_cast<int64_t>(events_.size()));
    }
    ++connections_;
    const auto stream = stub->WatchJob(context.get(), request);
    for (v1::WatchJobResponse response; stream->Read(&response);) {
      absl::MutexLock lock(&mutex_);
      EXPECT_GT(response.events_size(), 0);
      for (const v1::Event& event : response.events()) {
        EXPECT_EQ(event.sequence(), static_cast<int64_t>(events_.size()) + 1) << "an event is missing or came twice";
        const v1::JobState state = event.state().state();
        EXPECT_TRUE(!terminal || state == v1::JOB_STATE_QUEUED) << "an event after the terminal one";
        terminal = event.has_state() && (state == v1::JOB_STATE_SUCCEEDED || state == v1::JOB_STATE_FAILED ||
                                         state == v1::JOB_STATE_CANCELLED);
        events_.push_back(event);
      }
    }
    const grpc::Status status = stream->Finish();
    ended = status.ok();
    EXPECT_TRUE(terminal || !ended) << "the stream ends well before the job's last event";
    // A server that was ended right after the last event could not say that it was the last; the next one does.
    EXPECT_TRUE(ended || !terminal || server_->endings() > endings)
        << status.error_code() << ": " << status.error_message();
    if (!ended) {
      EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE) << status.error_message();
      absl::SleepFor(absl::Milliseconds(5));
    }
  }
  EXPECT_TRUE(ended) << job_ << " did not end";
  absl::MutexLock lock(&mutex_);
  done_ = true;
}

const std::vector<v1::Event>& Watcher::Finish() {
  if (thread_.joinable()) thread_.join();
  absl::MutexLock lock(&mutex_);
  return events_;
}

void Watcher::Await(const std::function<bool(const std::vector<v1::Event>&)>& condition) {
  absl::MutexLock lock(&mutex_);
  const auto holds = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return done_ || condition(events_); };
  EXPECT_TRUE(mutex_.AwaitWithTimeout(absl::Condition(&holds), kPatience));
}

void IntegrationTest::StartServer(std::vector<std::string> flags) {
  std::filesystem::create_directories(folder_ / "files");
  std::vector<std::string> all = {"--dataset-root", folder_ / "files", "--threads", "2"};
  all.insert(all.end(), flags.begin(), flags.end());
  server_ = std::make_unique<ServerProcess>(folder_.path(), std::move(all));
  RestartServer();
}

void IntegrationTest::RestartServer() {
  server_->Start();
  const auto channel = server_->NewChannel();
  training_ = v1::TrainingService::NewStub(channel);
  datasets_ = v1::DatasetService::NewStub(channel);
  models_ = v1::ModelService::NewStub(channel);
  operations_ = v1::OperationService::NewStub(channel);
}

void IntegrationTest::TearDown() {
  if (!HasFailure() || server_ == nullptr) return;
  constexpr size_t kShown = 20'000;
  const std::string log = server_->Log();
  std::fprintf(stderr, "the end of the server's log:\n%s\n",
               log.substr(log.size() - std::min(log.size(), kShown)).c_str());
}

void IntegrationTest::ImportPoints() {
  v1::ImportDatasetRequest request;
  request.set_dataset_id("points");
  for (const auto& [split, n, seed] :
       {std::tuple("train", kTrainExamples, 1u), std::tuple("test", kTestExamples, 2u)}) {
    const std::string name = split;
    const std::filesystem::path files = folder_ / "files";
    WriteBytes(files / (name + "_x.npy"), NpyOf(PointsOf(n, seed), {n, kFeatures}));
    WriteBytes(files / (name + "_y.npy"), NpyOf(LabelsOf(n)));
    v1::SplitSource& source = *request.add_splits();
    source.set_name(name);
    source.mutable_examples()->set_path(files / (name + "_x.npy"));
    source.mutable_labels()->set_path(files / (name + "_y.npy"));
  }
  v1::Dataset dataset;
  const grpc::Status status = Import(request, &dataset);
  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_EQ(dataset.splits_size(), 2);
  EXPECT_EQ(dataset.splits(0).num_examples(), kTrainExamples);
  EXPECT_EQ(dataset.num_classes(), kClasses);
}

grpc::Status IntegrationTest::Import(const v1::ImportDatasetRequest& request, v1::Dataset* dataset) {
  v1::Operation operation;
  const grpc::Status begun = datasets_->ImportDataset(NewContext().get(), request, &operation);
  return Await(*operations_, begun, operation, dataset);
}

grpc::Status IntegrationTest::Describe(const v1::DescribeDatasetRequest& request, v1::DatasetDescription* description) {
  v1::Operation operation;
  const grpc::Status begun = datasets_->DescribeDataset(NewContext().get(), request, &operation);
  return Await(*operations_, begun, operation, description);
}

grpc::Status IntegrationTest::Evaluate(const v1::EvaluateRequest& request, v1::EvaluationMetrics* metrics) {
  v1::Operation operation;
  const grpc::Status begun = models_->Evaluate(NewContext().get(), request, &operation);
  return Await(*operations_, begun, operation, metrics);
}

grpc::Status IntegrationTest::PredictSplit(const v1::PredictSplitRequest& request,
                                           v1::PredictSplitResponse* predicted) {
  v1::Operation operation;
  const grpc::Status begun = models_->PredictSplit(NewContext().get(), request, &operation);
  return Await(*operations_, begun, operation, predicted);
}

v1::PredictResponse IntegrationTest::ReadPredictions(const std::string& operation, int64_t first) {
  v1::ReadPredictionsRequest request;
  request.set_operation(operation);
  request.set_first(first);
  const auto context = NewContext();
  const auto stream = models_->ReadPredictions(context.get(), request);
  v1::PredictResponse whole;
  for (v1::PredictResponse part; stream->Read(&part);) {
    EXPECT_LT(part.ByteSizeLong(), size_t{1} << 20);
    whole.clear_shape();
    whole.MergeFrom(part);
  }
  const grpc::Status status = stream->Finish();
  EXPECT_TRUE(status.ok()) << status.error_message();
  return whole;
}

v1::JobSpec IntegrationTest::PointsJob(uint64_t steps) {
  v1::JobSpec spec;
  v1::Layer& hidden = *spec.mutable_network()->add_layers();
  hidden.set_name("hidden");
  hidden.mutable_dense()->set_units(16);
  hidden.mutable_activation()->mutable_tanh();
  v1::Layer& output = *spec.mutable_network()->add_layers();
  output.set_name("output");
  output.mutable_dense()->set_units(kClasses);
  spec.mutable_data()->set_dataset("points");
  spec.mutable_optimizer()->set_learning_rate(0.01);
  spec.mutable_optimizer()->mutable_sgd()->set_momentum(0.9);
  spec.set_batch_size(32);
  spec.set_steps(steps);
  spec.set_seed(7);
  spec.set_threads(1);
  spec.mutable_evaluation()->set_every_steps(100);
  spec.mutable_statistics()->set_every_steps(25);
  spec.mutable_checkpoint()->set_every_steps(50);
  return spec;
}

v1::Job IntegrationTest::Submit(const v1::JobSpec& spec, const std::string& job_id) {
  v1::CreateJobRequest request;
  *request.mutable_spec() = spec;
  request.set_job_id(job_id);
  v1::Job job;
  const grpc::Status status = training_->CreateJob(NewContext().get(), request, &job);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return job;
}

v1::Job IntegrationTest::Get(const std::string& name) {
  v1::GetJobRequest request;
  request.set_name(name);
  v1::Job job;
  const grpc::Status status = training_->GetJob(NewContext().get(), request, &job);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return job;
}

v1::Job IntegrationTest::Extend(const std::string& name, uint64_t steps) {
  v1::ExtendJobRequest request;
  request.set_name(name);
  request.set_steps(steps);
  return Answer(&Training::ExtendJob, request);
}

v1::Job IntegrationTest::Fork(const std::string& from, const std::string& job_id) {
  v1::ForkJobRequest request;
  request.set_name(from);
  request.set_job_id(job_id);
  return Answer(&Training::ForkJob, request);
}

void IntegrationTest::AwaitJob(const std::string& name, const std::function<bool(const v1::Job&)>& condition) {
  for (const absl::Time deadline = absl::Now() + kPatience; absl::Now() < deadline;) {
    if (condition(Get(name)) || HasFailure()) return;
    absl::SleepFor(absl::Milliseconds(2));
  }
  ADD_FAILURE() << name << " never got there";
}

std::string IntegrationTest::Download(const std::string& name) {
  v1::DownloadCheckpointRequest request;
  request.set_name(name);
  const auto context = NewContext();
  const auto stream = models_->DownloadCheckpoint(context.get(), request);
  std::string bytes;
  std::string crc32;
  int64_t size = -1;
  for (v1::DownloadCheckpointResponse response; stream->Read(&response);) {
    if (size < 0) {
      size = response.size_bytes();
      crc32 = response.crc32();
    }
    bytes += response.chunk();
  }
  const grpc::Status status = stream->Finish();
  EXPECT_TRUE(status.ok()) << name << ": " << status.error_message();
  EXPECT_EQ(static_cast<int64_t>(bytes.size()), size);
  EXPECT_EQ(Crc32Text(bytes), crc32);
  return bytes;
}

grpc::Status IntegrationTest::Upload(const std::string& id, const std::string& file, size_t offset, size_t end,
                                     v1::Upload* upload) {
  const auto context = NewContext();
  const auto stream = datasets_->UploadDataset(context.get(), upload);
  v1::UploadDatasetRequest request;
  request.mutable_header()->set_upload_id(id);
  request.mutable_header()->set_size_bytes(static_cast<int64_t>(file.size()));
  request.mutable_header()->set_crc32(Crc32Text(file));
  request.mutable_header()->set_offset(static_cast<int64_t>(offset));
  bool open = stream->Write(request);
  constexpr size_t kChunk = 1000;
  for (size_t begin = offset; open && begin < end; begin += kChunk) {
    request.set_chunk(file.substr(begin, std::min(kChunk, end - begin)));
    open = stream->Write(request);
  }
  stream->WritesDone();
  return stream->Finish();
}

std::vector<float> PointsOf(int n, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<float> values;
  for (int i = 0; i < n; ++i) {
    for (int feature = 0; feature < 8; ++feature) {
      const float noise = static_cast<float>(random() >> 8) * 0x1p-24f - 0.5f;
      values.push_back((feature == i % 4 ? 1.0f : 0.0f) + 1.2f * noise);
    }
  }
  return values;
}

std::vector<int64_t> LabelsOf(int n) {
  std::vector<int64_t> labels;
  for (int i = 0; i < n; ++i) labels.push_back(i % 4);
  return labels;
}

std::string Safetensors(const std::map<std::string, Tensor>& tensors) {
  nlohmann::json header;
  std::string data;
  for (const auto& [name, tensor] : tensors) {
    const size_t begin = data.size();
    data.append(reinterpret_cast<const char*>(tensor.values.data()), tensor.values.size() * sizeof(float));
    header[name] = {{"dtype", "F32"}, {"shape", tensor.shape}, {"data_offsets", {begin, data.size()}}};
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');
  const uint64_t size = text.size();
  std::string file(8, '\0');
  std::memcpy(file.data(), &size, 8);
  return file + text + data;
}

std::map<std::string, Tensor> ParseSafetensors(const std::string& bytes) {
  std::map<std::string, Tensor> tensors;
  uint64_t size = 0;
  EXPECT_GE(bytes.size(), 8u);
  if (bytes.size() < 8) return tensors;
  std::memcpy(&size, bytes.data(), 8);
  const nlohmann::json header = nlohmann::json::parse(bytes.substr(8, size));
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") continue;
    EXPECT_EQ(entry["dtype"], "F32") << name;
    const size_t begin = entry["data_offsets"][0];
    const size_t end = entry["data_offsets"][1];
    Tensor& tensor = tensors[name];
    tensor.shape = entry["shape"].get<std::vector<int64_t>>();
    tensor.values.resize((end - begin) / sizeof(float));
    EXPECT_LE(8 + size + end, bytes.size());
    std::memcpy(tensor.values.data(), bytes.data() + 8 + size + begin, end - begin);
  }
  return tensors;
}

std::vector<std::string> Computed(const std::vector<v1::Event>& events) {
  std::vector<std::string> computed;
  for (v1::Event event : events) {
    if (event.has_state() || event.has_log() || event.has_checkpoint()) continue;
    if (event.finding().rule() == "waiting_for_data") continue;  // The one rule that reads real times.
    event.clear_sequence();
    event.clear_time();
    event.clear_timing();
    computed.push_back(event.ShortDebugString());
  }
  return computed;
}

void ExpectSame(const std::vector<std::string>& computed, const std::vector<std::string>& expected) {
  EXPECT_EQ(computed.size(), expected.size());
  for (size_t i = 0; i < std::min(computed.size(), expected.size()); ++i) {
    ASSERT_EQ(computed[i], expected[i]) << "event " << i << " of those compared";
  }
}

}  // namespace traind::integration
