#include "server/services/training_service.h"

#include <gmock/gmock.h>

#include <string>
#include <thread>
#include <vector>

#include "tests/server/services/services_fixture.h"

namespace traind::server {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

using TrainingServiceTest = ServicesTest;

TEST_F(TrainingServiceTest, NamesEveryViolationOfAJobAtOnce) {
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

TEST_F(TrainingServiceTest, CreatesAJobOnceForARequestAndNoneToValidate) {
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

TEST_F(TrainingServiceTest, WatchesAJobToItsEndAndResumes) {
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
  EXPECT_EQ(live.back().state().state(), v1::JOB_STATE_SUCCEEDED);

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
  request.add_kinds(v1::EVENT_KIND_EVALUATION);
  EXPECT_TRUE(Watch(request, &rest).ok());
  EXPECT_EQ(rest.size(), 3u) << "STATE events always come";
  request.set_name("jobs/none");
  EXPECT_EQ(Watch(request, &rest).error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(TrainingServiceTest, ServesManyWatchersAndThoseWhoLeave) {
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

TEST_F(TrainingServiceTest, KeepsOnlyTheLayersAskedFor) {
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
  request.add_kinds(v1::EVENT_KIND_STATISTICS);
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

TEST_F(TrainingServiceTest, EndsStreamsWhenItShutsDown) {
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

TEST_F(TrainingServiceTest, RunsAProbeInAWorkerAndHandsItsErrorsOn) {
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
