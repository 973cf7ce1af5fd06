#include "server/services/training_service.h"

#include <gmock/gmock.h>

#include <algorithm>
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
  request.set_view(v1::JOB_VIEW_RESOLVED);
  v1::Job job;
  ASSERT_TRUE(Create(request, &job).ok());
  EXPECT_EQ(job.progress().total_steps(), 12u);
  EXPECT_FALSE(job.has_spec());
  EXPECT_EQ(job.resolved_spec().data().dataset(), "datasets/digits");
  v1::GetJobRequest get;
  get.set_name("jobs/a");
  grpc::ClientContext context;
  EXPECT_EQ(training_->GetJob(&context, get, &job).error_code(), grpc::StatusCode::NOT_FOUND);
  request.set_validate_only(false);
  request.set_request_id("r");
  ASSERT_TRUE(Create(request, &job).ok());
  ASSERT_TRUE(Create(request, &job).ok());
  EXPECT_EQ(job.name(), "jobs/a");
  request.set_job_id("b");
  EXPECT_THAT(Fields(Create(request, &job)), ElementsAre("request_id")) << "another id is another request";
  request.clear_request_id();
  request.set_job_id("a");
  EXPECT_EQ(Create(request, &job).error_code(), grpc::StatusCode::ALREADY_EXISTS);
}

TEST_F(TrainingServiceTest, WatchesAJobToItsEndAndResumes) {
  Import("digits");
  v1::Job job;
  ASSERT_TRUE(Create(WithoutInsight("a"), &job).ok());
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

TEST_F(TrainingServiceTest, WatchesAJobOnPastItsFormerEnds) {
  Import("digits");
  v1::Job job;
  ASSERT_TRUE(Create(JobRequest("a"), &job).ok());
  launcher_.Await(1)->End(WorkerExit::Kind::kTaskFailed);
  v1::WatchJobRequest request;
  request.set_name("jobs/a");
  std::vector<v1::Event> failed;
  ASSERT_TRUE(Watch(request, &failed).ok());
  EXPECT_EQ(failed.back().state().state(), v1::JOB_STATE_FAILED);

  v1::ResumeJobRequest resume;
  resume.set_name("jobs/a");
  grpc::ClientContext context;
  ASSERT_TRUE(training_->ResumeJob(&context, resume, &job).ok());
  EXPECT_EQ(job.state(), v1::JOB_STATE_QUEUED);
  std::vector<v1::Event> from_the_beginning, from_the_end;
  grpc::Status first, second;
  std::thread one([&] { first = Watch(request, &from_the_beginning); });
  v1::WatchJobRequest later = request;
  later.set_after_sequence(failed.back().sequence());
  std::thread two([&] { second = Watch(later, &from_the_end); });
  Finish(2, 5);
  one.join();
  two.join();
  ASSERT_TRUE(first.ok()) << first.error_message();
  ASSERT_TRUE(second.ok()) << second.error_message();
  for (const auto* events : {&from_the_beginning, &from_the_end}) {
    ASSERT_FALSE(events->empty());
    EXPECT_EQ(events->back().state().state(), v1::JOB_STATE_SUCCEEDED);
  }
  EXPECT_EQ(from_the_beginning.size(), failed.size() + from_the_end.size());
}

TEST_F(TrainingServiceTest, AWatcherOfADeletedJobNeverSeesItsNamesake) {
  Import("digits");
  v1::Job job;
  ASSERT_TRUE(Create(JobRequest("a"), &job).ok());
  v1::PauseJobRequest pause;
  pause.set_name("jobs/a");
  grpc::ClientContext pausing;
  launcher_.Await(1);
  ASSERT_TRUE(training_->PauseJob(&pausing, pause, &job).ok());
  launcher_.Await(1)->End(WorkerExit::Kind::kStopped);
  const std::string uid = job.uid();
  v1::WatchJobRequest request;
  request.set_name("jobs/a");
  grpc::ClientContext watching;
  auto stream = training_->WatchJob(&watching, request);
  v1::WatchJobResponse response;
  for (bool paused = false; !paused;) {
    ASSERT_TRUE(stream->Read(&response));
    for (const v1::Event& event : response.events()) paused |= event.state().state() == v1::JOB_STATE_PAUSED;
  }
  v1::DeleteJobRequest remove;
  remove.set_name("jobs/a");
  google::protobuf::Empty empty;
  grpc::ClientContext deleting;
  ASSERT_TRUE(training_->DeleteJob(&deleting, remove, &empty).ok());
  ASSERT_TRUE(Create(JobRequest("a"), &job).ok());
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::NOT_FOUND);
  request.set_uid(uid);
  std::vector<v1::Event> events;
  EXPECT_EQ(Watch(request, &events).error_code(), grpc::StatusCode::NOT_FOUND) << "it is another job's";
  request.set_uid(job.uid());
  launcher_.Await(2)->End(WorkerExit::Kind::kFinished);
  const grpc::Status status = Watch(request, &events);
  EXPECT_TRUE(status.ok()) << status.error_message();
}

TEST_F(TrainingServiceTest, ServesManyWatchersAndThoseWhoLeave) {
  Import("digits");
  v1::Job job;
  ASSERT_TRUE(Create(WithoutInsight("a"), &job).ok());
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
  event.mutable_statistics()->set_thinned(true);
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
    EXPECT_TRUE(each.statistics().thinned());
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
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INTERNAL);
  EXPECT_THAT(status.error_message(), HasSubstr("SIGSEGV"));
}

TEST_F(TrainingServiceTest, ShowsAJobInTheViewAskedFor) {
  Import("digits");
  v1::Job job;
  ASSERT_TRUE(Create(JobRequest("a"), &job).ok());
  EXPECT_TRUE(job.has_spec());
  EXPECT_FALSE(job.has_resolved_spec());
  EXPECT_EQ(job.dataset(), "datasets/digits");
  v1::GetJobRequest get;
  get.set_name("jobs/a");
  const auto shown = [&](v1::JobView view) {
    get.set_view(view);
    grpc::ClientContext context;
    EXPECT_TRUE(training_->GetJob(&context, get, &job).ok());
    return std::string(job.has_spec() ? "spec " : "") + (job.has_resolved_spec() ? "resolved" : "");
  };
  EXPECT_EQ(shown(v1::JOB_VIEW_UNSPECIFIED), "spec ");
  EXPECT_EQ(shown(v1::JOB_VIEW_BASIC), "");
  EXPECT_EQ(shown(v1::JOB_VIEW_RESOLVED), "resolved");
  get.set_view(static_cast<v1::JobView>(77));
  grpc::ClientContext context;
  EXPECT_THAT(Fields(training_->GetJob(&context, get, &job)), ElementsAre("view"));
}

TEST_F(TrainingServiceTest, UpdatesAJob) {
  Import("digits");
  v1::Job job;
  ASSERT_TRUE(Create(JobRequest("a"), &job).ok());
  launcher_.Await(1)->End(WorkerExit::Kind::kFinished);
  v1::UpdateJobRequest request;
  request.mutable_job()->set_name("jobs/a");
  request.mutable_job()->set_display_name("new");
  request.mutable_update_mask()->add_paths("display_name");
  grpc::ClientContext first;
  const grpc::Status status = training_->UpdateJob(&first, request, &job);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(job.display_name(), "new");
  request.mutable_job()->set_etag("of another state");
  grpc::ClientContext second;
  EXPECT_EQ(training_->UpdateJob(&second, request, &job).error_code(), grpc::StatusCode::ABORTED);
  request.mutable_job()->set_name("jobs/none");
  grpc::ClientContext third;
  EXPECT_EQ(training_->UpdateJob(&third, request, &job).error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(TrainingServiceTest, RefusesAJobThatNoAnswerCouldHold) {
  Import("digits");
  v1::CreateJobRequest request = JobRequest("a");
  v1::Network& network = *request.mutable_spec()->mutable_network();
  network.clear_layers();
  // Thirty sums, of as many layers as a field may name.
  const std::string long_name(120, 'x');
  for (int i = 0; i < 1030; ++i) {
    auto* layer = network.add_layers();
    layer->set_name(long_name + std::to_string(i));
    if (i < 1000) {
      layer->mutable_dense()->set_units(3);
      continue;
    }
    layer->mutable_add();
    for (int input = 0; input < 999; ++input) layer->add_inputs(network.layers(input).name());
    layer->add_inputs(network.layers(i - 1).name());
  }
  v1::Job job;
  const grpc::Status status = Create(request, &job);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(Fields(status), ElementsAre("spec"));
  EXPECT_THAT(status.error_message(), HasSubstr("MiB, and no answer may hold more than 3.5"));
}

TEST_F(TrainingServiceTest, RefusesAJobOfWhichNoEventCouldHoldAnObservation) {
  memory_limit_ = int64_t{4} << 30;
  Start();
  Import("digits");
  v1::CreateJobRequest request = JobRequest("a");
  v1::Network& network = *request.mutable_spec()->mutable_network();
  network.clear_layers();
  const std::string long_name(120, 'x');
  for (int i = 0; i < 5500; ++i) {
    auto* layer = network.add_layers();
    layer->set_name(long_name + std::to_string(i));
    layer->mutable_dense()->set_units(3);
  }
  request.mutable_spec()->mutable_statistics()->set_histogram_bins(256);
  v1::Job job;
  const grpc::Status status = Create(request, &job);
  EXPECT_THAT(Fields(status), ElementsAre("spec.statistics")) << status.error_message();
  EXPECT_THAT(status.error_message(), HasSubstr("histogram_bins: 64 would fit"));
}

// What is admitted can be read with the limits that a client has by itself.
TEST_F(TrainingServiceTest, TheLargestEventReachesADefaultClient) {
  Import("digits");
  v1::Job job;
  ASSERT_TRUE(Create(JobRequest("a"), &job).ok());
  constexpr size_t kLargest = (size_t{4} << 20) - 4096;
  v1::Event event;
  event.set_step(1);
  while (event.ByteSizeLong() < kLargest) {
    event.mutable_statistics()->add_layers()->set_layer(
        std::string(std::min<size_t>(100'000, kLargest - event.ByteSizeLong()), 'x'));
  }
  ASSERT_TRUE(launcher_.Await(1)->Send({event}).ok());
  launcher_.Await(1)->End(WorkerExit::Kind::kFinished);
  v1::WatchJobRequest watch;
  watch.set_name("jobs/a");
  std::vector<v1::Event> events;
  const grpc::Status status = Watch(watch, &events);
  ASSERT_TRUE(status.ok()) << status.error_message();
  int64_t sequence = 0;
  size_t largest = 0;
  for (const v1::Event& each : events) {
    EXPECT_EQ(each.sequence(), ++sequence);
    largest = std::max(largest, each.ByteSizeLong());
  }
  EXPECT_GE(largest, kLargest);
}

TEST_F(TrainingServiceTest, ListsComponentsInPages) {
  v1::ListComponentsRequest request;
  v1::ListComponentsResponse response;
  grpc::ClientContext all_context;
  ASSERT_TRUE(training_->ListComponents(&all_context, request, &response).ok());
  std::vector<std::string> all;
  for (const v1::Component& component : response.components()) all.push_back(component.message());
  EXPECT_EQ(response.next_page_token(), "") << "one page of the default size holds them";
  request.set_page_size(7);
  std::vector<std::string> paged;
  do {
    grpc::ClientContext context;
    ASSERT_TRUE(training_->ListComponents(&context, request, &response).ok());
    EXPECT_LE(response.components_size(), 7);
    for (const v1::Component& component : response.components()) paged.push_back(component.message());
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  EXPECT_EQ(paged, all);
  request.set_filter("category = optimizer AND name:sgd");
  grpc::ClientContext filtered;
  ASSERT_TRUE(training_->ListComponents(&filtered, request, &response).ok());
  ASSERT_EQ(response.components_size(), 1);
  EXPECT_EQ(response.components(0).message(), "traind.v1.Sgd");
  request.set_filter("kind = layer");
  grpc::ClientContext wrong;
  EXPECT_THAT(Fields(training_->ListComponents(&wrong, request, &response)), ElementsAre("filter"));
}

TEST_F(TrainingServiceTest, ADescriptionHasTheExpandedNetworkWhenAsked) {
  v1::DescribeNetworkRequest request;
  request.mutable_network()->add_input_shape(8);
  auto* layer = request.mutable_network()->add_layers();
  layer->set_name("a");
  layer->mutable_dense()->set_units(4);
  v1::NetworkDescription description;
  grpc::ClientContext without;
  ASSERT_TRUE(training_->DescribeNetwork(&without, request, &description).ok());
  EXPECT_FALSE(description.has_expanded());
  EXPECT_EQ(description.layers_size(), 1);
  request.set_expanded(true);
  grpc::ClientContext with;
  ASSERT_TRUE(training_->DescribeNetwork(&with, request, &description).ok());
  EXPECT_EQ(description.expanded().layers_size(), 1);
}

}  // namespace
}  // namespace traind::server
